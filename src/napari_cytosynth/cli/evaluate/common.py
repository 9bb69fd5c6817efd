"""Arguments and output that the evaluations of all tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "add_output",
    "add_selection",
    "check_card",
    "data_name",
    "default_folder",
    "non_default_options",
    "print_updated",
]

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


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options for the folder of results and the card to update."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder of the results (default: {default})"
    )
    parser.add_argument(
        "--update-card",
        metavar="DATASET",
        help="write the figures into the card of the model (a folder), under this name of the "
        "data and their split; do so only with data that the model never saw",
    )


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
    for name in (*names, "split"):
        value = getattr(arguments, name, None)
        if value is None or value == defaults.get(name):
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, (list, tuple)):
            words += [option, *map(str, value)]
        elif isinstance(value, Path):
            words += [option, value.name]
        else:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return words
