"""``cytosynth measure``: write a table of the objects of label images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable

from .arguments import add_overwrite, add_voxel_size, path_of, save_result
from .batch import add_batch_options, add_inputs, has_many, run_many

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "measure",
        examples=[
            "cytosynth measure segmented/labels.tif --out measured",
            "cytosynth measure corrected --intensity images --out measured",
        ],
        help="measure the objects of label images",
        description="Measure the objects of a label image: shape, size, position, and "
        "intensities in an image of the same size. Writes table.csv and provenance.json.",
    )
    add_inputs(parser, what="labels", name="LABELS")
    parser.add_argument(
        "--intensity",
        type=path_of,
        metavar="IMAGE",
        help="image to measure intensities in; for many labels, a folder of images that are "
        "called as they are, with or without “-labels”",
    )
    parser.add_argument(
        "--out", type=path_of, required=True, metavar="DIR", help="folder that the tables go to"
    )
    add_overwrite(parser)
    parser.add_argument(
        "--axes",
        help="one letter of T, Z, Y, X for each axis, such as ZYX (default: what the file says)",
    )
    parser.add_argument(
        "--series",
        metavar="N",
        help="image to read from a file of several, by number (from 0) or name",
    )
    parser.add_argument(
        "--by-plane", action="store_true", help="measure areas in each plane along Z, no volumes"
    )
    add_voxel_size(parser)
    add_batch_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure one label image, or many."""
    from napari_cytosynth.tasks.batch import BatchSettings
    from napari_cytosynth.tasks.batch.measuring import measure_file

    chosen = {name: getattr(arguments, name) for name in ("axes", "pixel_size", "by_plane")}
    if has_many(arguments):
        settings = BatchSettings("measure", None, chosen)
        return run_many(arguments, settings, intensity=arguments.intensity)
    only = arguments.inputs[0]
    found = measure_file(only, series=arguments.series, intensity=arguments.intensity, **chosen)
    for message in found.messages:
        echo(message)
    written = save_result(found, arguments.out, arguments.overwrite)
    echo(f"{len(found.table)} objects")
    for path in written:
        echo(printable(path))
    return 0
