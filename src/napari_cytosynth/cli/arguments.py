"""Arguments that several commands share, and checks of their values."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from napari_cytosynth.errors import OutputError

__all__ = [
    "add_device",
    "add_image",
    "add_model",
    "add_pixel_size_and_device",
    "add_segment_options",
    "at_least_one",
    "fraction",
    "make_folder",
    "make_output_folder",
    "not_negative",
    "pixel_size",
    "positive",
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


def add_segment_options(parser: argparse.ArgumentParser) -> Any:
    """Add the options of a segmentation; return their group."""
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
        default=0,
        metavar="PX",
        help="drop objects of fewer pixels (default: %(default)s)",
    )
    add_pixel_size_and_device(group)
    return group


def add_pixel_size_and_device(group: Any) -> None:
    """Add the options for the pixel size and the device."""
    group.add_argument(
        "--pixel-size",
        type=pixel_size,
        metavar="UM",
        help="pixel size of the image in µm",
    )
    add_device(group)


def add_device(group: Any) -> None:
    """Add the option for the device."""
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)",
    )


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the image, the model and the folder of results."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="TIFF, PNG, JPEG or .npy file")
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


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and the folder of results."""
    parser.add_argument(
        "--model",
        required=True,
        help="a name from “cytosynth models list”, a folder, or org/name[@revision] of the Hub",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder that the results go to"
    )


def make_output_folder(out: Path) -> None:
    """Make the folder of results: `out` itself, or its parent if `out` names a file."""
    make_folder(out.parent if out.suffix.lower() in FILE_SUFFIXES else out)
