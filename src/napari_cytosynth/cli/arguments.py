"""Arguments that several commands share, and checks of their values."""

from __future__ import annotations

import argparse
import tempfile
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.console import echo
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import user_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "add_device",
    "add_model",
    "add_model_and_output",
    "add_overwrite",
    "add_region",
    "add_segment_options",
    "add_voxel_size",
    "at_least_one",
    "check_output",
    "diameter",
    "fraction",
    "make_folder",
    "not_negative",
    "path_of",
    "pixel_size",
    "positive",
    "region_arguments",
    "save_result",
    "whole",
]

FILE_SUFFIXES = (".tif", ".tiff", ".zarr")  # results that lie beside each other


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not “{text}”") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not “{text}”") from None


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, not {text}")
    return value


def positive(text: str) -> float:
    """Read a number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def not_negative(text: str) -> float:
    """Read a number of at least 0."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def pixel_size(text: str) -> float:
    """Read a pixel size in µm, of any microscope that there may be."""
    value = positive(text)
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"must lie between 1e-6 and 1e6 µm, not {text}")
    return value


def diameter(text: str) -> float | Literal["auto"]:
    """Read a diameter in px, or the word auto."""
    return "auto" if text.strip().lower() == "auto" else positive(text)


def whole(text: str) -> int:
    """Read a whole number of at least 0."""
    value = _integer(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def at_least_one(text: str) -> int:
    """Read a whole number of at least 1."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


class _PixelSizes(argparse.Action):
    """Keeps one to three pixel sizes."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep them, or end with the usage."""
        if len(values) > 3:
            parser.error(f"argument {option_string}: takes at most three numbers (Z, Y and X)")
        setattr(namespace, self.dest, values[0] if len(values) == 1 else tuple(values))


def path_of(text: str) -> Path:
    """Read a path; ``~`` is expanded, also where the shell leaves it, as in ``--out=~/x``."""
    try:
        return user_path(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def make_folder(folder: Path) -> None:
    """Make the folder of results, and check that it can be written before a long run.

    Raises
    ------
    OutputError
        If it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"“{folder}” cannot be the folder of the results: a file of that name is in the way."
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"Nothing can be written to “{folder}”: {reason}.") from error


def add_segment_options(parser: argparse.ArgumentParser, *, depth: bool = False) -> Any:
    """Add the options of a segmentation; return their group.

    Parameters
    ----------
    parser
        The command's.
    depth
        Whether the pixel size may have a Z. Default: False.
    """
    group = parser.add_argument_group("how the model runs and what counts as an object")
    group.add_argument(
        "--threshold",
        type=fraction,
        metavar="T",
        help="pixels at or above this probability are foreground (default: the model's own)",
    )
    group.add_argument(
        "--min-size",
        type=whole,
        metavar="PX",
        help="drop objects of fewer pixels (default: the model's own)",
    )
    group.add_argument(
        "--split-touching",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="separate touching objects (default: if the model was made to)",
    )
    add_pixel_size_and_device(group, depth=depth)
    return group


def add_pixel_size_and_device(group: Any, *, depth: bool = False) -> None:
    """Add the options for the pixel size and the device; with `depth`, up to three sizes."""
    if depth:
        add_voxel_size(group)
    else:
        group.add_argument(
            "--pixel-size", type=pixel_size, metavar="UM", help="pixel size of the image in µm"
        )
    add_device(group)


def add_voxel_size(group: Any) -> None:
    """Add the option for one to three pixel sizes."""
    group.add_argument(
        "--pixel-size",
        type=pixel_size,
        nargs="+",
        action=_PixelSizes,
        metavar="UM",
        help="pixel size of the image in µm: one number, those of Y and X, or those of Z "
        "(distance of planes), Y and X",
    )


def add_device(group: Any) -> None:
    """Add the option for the device."""
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)",
    )


def add_region(
    parser: argparse.ArgumentParser,
    title: str = "only a part of the image",
    about: str = "only what lies inside of these shapes counts, for a single image",
) -> None:
    """Add the options of the shapes that limit a task to a part of the image.

    Parameters
    ----------
    parser
        Of the command.
    title, about
        Of the group, and what the shapes do.
    """
    group = parser.add_argument_group(title)
    group.add_argument(
        "--region",
        type=path_of,
        metavar="SHAPES",
        help=f"{about}: GeoJSON (QuPath), .roi or .zip (ImageJ), or the .csv that napari saves of "
        "a Shapes layer",
    )
    group.add_argument(
        "--at-border",
        choices=("keep", "drop", "mark"),
        help="objects that touch the border of the region: keep their part inside, drop them, or "
        "mark them in the table (default: keep)",
    )


def region_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return ``region`` and ``at_border`` of a task, and print what is to be known of the file.

    Raises
    ------
    InputError
        If the file holds no region, or something is said of the border of none.
    """
    if arguments.region is None:
        if arguments.at_border is not None:
            raise InputError("--at-border is about the border of a region: give --region, too.")
        return {}
    from napari_cytosynth.tasks.export.region_file import read_region

    found = read_region(arguments.region)
    for message in found.messages:
        echo(message)
    return {"region": found, "at_border": arguments.at_border or "keep"}


def add_model_and_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the model, the folder of results and what the image holds."""
    add_model(parser)
    parser.add_argument(
        "--axes",
        help="one letter of T, Z, C, Y, X for each axis, such as ZYX (default: what the file says)",
    )
    parser.add_argument(
        "--channels",
        type=whole,
        nargs="+",
        metavar="N",
        help="channels of the image that the model reads, counted from 0",
    )
    parser.add_argument(
        "--series",
        metavar="N",
        help="image to read from a file of several, by number (from 0) or name (default: the "
        "largest; of many files, all)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and the folder of results."""
    parser.add_argument(
        "--model",
        required=True,
        help="a name from “cytosynth models list”, a folder, or org/name[@revision] of the Hub",
    )
    parser.add_argument(
        "--out",
        type=path_of,
        required=True,
        metavar="DIR",
        help="folder that the results go to, or a name that ends in .tif or .zarr",
    )
    add_overwrite(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add what allows results to replace files of others."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what another task, another program or a person wrote there, and results "
        "that were corrected by hand (default: only unchanged results of the same task)",
    )


def check_output(
    arguments: argparse.Namespace,
    task: str,
    *,
    images: Sequence[str] | None = None,
    others: Sequence[str] | None = None,
    sources: Sequence[Path] = (),
    size: int = 0,
) -> None:
    """Check before a long run, and without making anything, that its result can be written.

    Parameters
    ----------
    arguments
        Those of the command: ``out`` and ``overwrite``.
    task, images, others
        As :func:`~napari_cytosynth.tasks.export.destination.find_destination` takes them.
    sources, size
        As :func:`~napari_cytosynth.tasks.export.destination.check_destination` takes them.

    Raises
    ------
    OutputError
        If it cannot, or something else would be replaced.
    """
    from napari_cytosynth.tasks.export.destination import find_destination
    from napari_cytosynth.tasks.export.saving import check_beforehand

    destination = find_destination(arguments.out, task, images, others=others)
    check_beforehand(destination, sources, size=size, overwrite=arguments.overwrite)


def save_result(result: Any, out: Path, overwrite: bool, **options: Any) -> list[Path]:
    """Save a result, print what it says about that, and return the files."""
    known = len(result.messages)
    files: list[Path] = result.save(out, **options, **({"overwrite": True} if overwrite else {}))
    for message in result.messages[known:]:
        echo(message)
    return files
