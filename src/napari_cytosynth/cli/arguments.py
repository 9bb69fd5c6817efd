"""Arguments that several commands share, and how their values are checked."""

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
    "add_running",
    "add_where",
    "at_least_one",
    "fraction",
    "make_folder",
    "make_room_for",
    "not_negative",
    "positive",
    "whole",
]

FILE_SUFFIXES = (".tif", ".tiff", ".zarr")  # results that lie beside each other


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, not {text}")
    return value


def positive(text: str) -> float:
    """Read a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def not_negative(text: str) -> float:
    """Read a number of at least 0."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def whole(text: str) -> int:
    """Read a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def at_least_one(text: str) -> int:
    """Read a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def make_folder(folder: Path) -> None:
    """Make the folder of results, and see before a long run that it can be written.

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


def add_running(parser: argparse.ArgumentParser) -> Any:
    """Add the arguments of a run of a segmentation model; return their group."""
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
    add_device(group)
    return group


def add_device(group: Any) -> None:
    """Add what says how large a pixel is and where a network runs."""
    group.add_argument(
        "--pixel-size",
        type=positive,
        metavar="UM",
        help="pixel size of the image in µm",
    )
    add_where(group)


def add_where(group: Any) -> None:
    """Add what says where a network runs."""
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)",
    )


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the image, the model that runs on it, and where the results go."""
    parser.add_argument(
        "image", type=Path, metavar="IMAGE", help="TIFF, PNG, JPEG, OME-Zarr or .npy"
    )
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
        "largest)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model, and where the results go."""
    parser.add_argument(
        "--model",
        required=True,
        help="a name from “cytosynth models list”, a folder, or org/name[@revision] of the Hub",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder that the results go to"
    )


def make_room_for(out: Path) -> None:
    """Make the folder of results that go to a folder or, by its suffix, beside a file."""
    make_folder(out.parent if out.suffix.lower() in FILE_SUFFIXES else out)
