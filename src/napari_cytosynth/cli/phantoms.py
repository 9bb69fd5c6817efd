"""``cytosynth phantoms``: simulated pairs of images to train a virtual stainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo
from napari_cytosynth.errors import OutputError
from napari_cytosynth.progress import resolve_progress

from .arguments import (
    at_least_one,
    fraction,
    make_folder,
    not_negative,
    path_of,
    pixel_size,
    whole,
)

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_cytosynth.phantoms.simulate import StainedCells

__all__ = ["add_parser"]

KINDS = ("phase", "fluorescence", "nuclei", "cells")


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "phantoms",
        examples=["cytosynth phantoms --out simulated --count 2"],
        help="simulate pairs of phase contrast and fluorescence images",
        description="Simulate cells under phase contrast and with their DNA and membrane "
        "stained, to train and to test a virtual stainer. Writes phase/NAME.tif, "
        "fluorescence/NAME.tif, and the true labels nuclei/NAME.tif and cells/NAME.tif.",
    )
    parser.add_argument(
        "--out", type=path_of, required=True, metavar="DIR", help="folder that the images go to"
    )
    parser.add_argument(
        "--count",
        type=at_least_one,
        default=100,
        metavar="N",
        help="number of fields (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=at_least_one,
        default=512,
        metavar="PX",
        help="side of a field in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole,
        default=0,
        metavar="S",
        help="fields of different seeds are independent (default: %(default)s)",
    )
    parser.add_argument(
        "--pixel-size",
        type=pixel_size,
        default=0.5,
        metavar="UM",
        help="pixel size in µm (default: %(default)s)",
    )
    _add_faults(parser)
    parser.set_defaults(run=run)


def _add_faults(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "what a model may not know", "The cells of a seed stay the same; only the phase changes."
    )
    group.add_argument(
        "--clumps",
        type=whole,
        default=0,
        metavar="N",
        help="about how many clumps of matter lie between the cells, which look like nuclei and "
        "are no cells (default: %(default)s)",
    )
    group.add_argument(
        "--hidden",
        type=fraction,
        default=0.0,
        metavar="FRACTION",
        help="of the cells, 0 to 1: their outline does not show in phase (default: %(default)s)",
    )
    group.add_argument(
        "--defocus",
        type=not_negative,
        default=0.0,
        metavar="UM",
        help="distance of the cells from the focal plane in µm (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Simulate and write the fields."""
    from napari_cytosynth.phantoms import Optics, stained_field

    folder: Path = arguments.out
    names = [f"seed{arguments.seed}-field{index:04d}" for index in range(arguments.count)]
    _refuse_to_overwrite(folder, names)
    make_folder(folder)
    progress = resolve_progress(None)
    for index, name in enumerate(names):
        progress(index, len(names), "Fields simulated")
        field = stained_field(
            index,
            (arguments.size, arguments.size),
            arguments.seed,
            arguments.pixel_size,
            optics=Optics(defocus_um=arguments.defocus),
            hidden=arguments.hidden,
            clumps=arguments.clumps,
        )
        _write(folder, name, field)
    progress(len(names), len(names), "Fields simulated")
    echo(f"{len(names)} fields in {folder}: {', '.join(KINDS)}")


def _refuse_to_overwrite(folder: Path, names: list[str]) -> None:
    paths = (folder / kind / f"{name}.tif" for name in names for kind in KINDS)
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise OutputError(
            f"“{taken}” is there already. Choose another folder or another --seed, or delete it."
        )


def _write(folder: Path, name: str, field: StainedCells) -> None:
    import numpy as np

    from napari_cytosynth.tasks.export.results import write_tiff

    for kind in KINDS:
        image = getattr(field, kind)
        if kind in ("nuclei", "cells"):  # uint16 where it is enough: more programs read it
            image = image.astype(np.min_scalar_type(max(256, int(image.max()))))
        axes, channels = ("CYX", field.channels) if image.ndim == 3 else ("YX", ())
        pixel_size = (field.pixel_size_um, field.pixel_size_um)
        write_tiff(folder / kind / f"{name}.tif", image, axes, pixel_size, channels)
