"""Arguments and output that the evaluations of all tasks share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.cli.arguments import make_folder, path_of
from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_cytosynth.training.data.image_files import Selection
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "add_output",
    "add_selection",
    "check_card",
    "data_name",
    "default_folder",
    "make_report_folder",
    "non_default_options",
    "print_updated",
    "selection",
]

_FILES = (
    *("table.csv", "curve.csv", "comparison.csv", "populations.csv", "metrics.json"),
    *("planes.csv", "information-gain.csv", "second-opinion.csv"),
    *("figures.pdf", "overview.png", "curves.png", "statistics.png", "uncertainty.png"),
    *("populations.png", "comparison.png", "generated-*.png", "nearest-*.png"),
    *("field-*.png", "worst-*.png", "confidence.png"),
)
"""What evaluations write."""
PARTS = ("train", "validation", "val", "test")


def add_selection(data: Any) -> None:
    """Add the options that select images of a folder."""
    data.add_argument(
        "--select", default="*", metavar="GLOB", help="only file names like this, without suffix"
    )
    data.add_argument(
        "--split", type=Path, metavar="FILE", help="only the file names on the lines of this file"
    )
    data.add_argument(
        "--hash-split",
        choices=("train", "validation", "test"),
        help="only this part of a split by a hash of the file name",
    )
    data.add_argument(
        "--names",
        type=_names,
        metavar="NAME,NAME",
        help="only these file names, without suffix, such as 13,14,15",
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names with commas between them, not “{text}”")
    return names


def selection(arguments: argparse.Namespace, pattern: str | None = None) -> Selection:
    """Return the conditions of :func:`add_selection`, with another pattern if one is given."""
    from napari_cytosynth.training.data.image_files import Selection

    return Selection(
        pattern or arguments.select, arguments.split, arguments.hash_split, arguments.names or ()
    )


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options for the folder of results and the card to update."""
    parser.add_argument(
        "--out", type=path_of, metavar="DIR", help=f"folder of the results (default: {default})"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace tables and figures there that no evaluation wrote",
    )
    parser.add_argument(
        "--update-card",
        metavar="DATASET",
        help="write the figures into the card of the model (a folder), under this name of the "
        "data and their split; do so only with data that the model never saw",
    )


def make_report_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder of an evaluation, before the run; keep what no evaluation wrote there.

    Raises
    ------
    OutputError
        If it cannot be made, or files of others would be replaced.
    """
    found = (file for pattern in _FILES for file in sorted(folder.glob(pattern)))
    taken = next(found, None)
    if taken is not None and not overwrite and not _is_report(folder / "metrics.json"):
        raise OutputError(
            f"“{taken}” is there already, and no evaluation wrote it. Choose another folder. To "
            "replace it, use --overwrite."
        )
    make_folder(folder)


def _is_report(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"version", "command"} <= set(content)


def check_card(folder: Path, option: str = "--update-card") -> None:
    """Check before the evaluation that `folder` has a card to update.

    Raises
    ------
    InputError
        If there is no card in `folder`.
    """
    from napari_cytosynth.zoo.model_files import CARD_FILE

    if not (folder / CARD_FILE).is_file():
        raise InputError(
            f"{option} needs the folder of a model, with its {CARD_FILE}; “{folder}” is none."
        )


def print_updated(folder: Path) -> None:
    """Print that a card was updated."""
    echo(printable(f"Card updated: {folder}"))


def data_name(folder: Path) -> str:
    """Return the name of the data set, with its part where the folder is a part of it."""
    folder = folder.resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name in PARTS else folder.name


def default_folder(models: Sequence[Model], data_dir: Path, parts: Sequence[str]) -> Path:
    """Return the default folder of results: ``evaluation/MODELS/DATA-PART``."""
    named = "-vs-".join(model.card.name for model in models)
    place = "-".join([data_name(data_dir).replace("/", "-"), *parts])
    return Path("evaluation", named, place)


def non_default_options(
    arguments: argparse.Namespace, names: Sequence[str], defaults: Mapping[str, Any]
) -> list[str]:
    """Return the options that differ from their defaults, without local paths."""
    words = []
    for name in (*names, "split", "names"):
        value = getattr(arguments, name, None)
        if value is None or value == defaults.get(name):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "names":
            words += [option, ",".join(value)]
        elif isinstance(value, (list, tuple)):
            words += [option, *map(str, value)]
        elif isinstance(value, Path):
            words += [option, value.name]
        else:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return words
