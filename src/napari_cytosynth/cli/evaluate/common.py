"""Arguments and words that the evaluations of all tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    "given_words",
    "print_updated",
]

PARTS = ("train", "validation", "val", "test")


def add_selection(data: Any) -> None:
    """Add the arguments that say which images of a folder are taken."""
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
    """Add where the results go."""
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
    """Refuse to update the card of what is no model's folder, before the evaluation.

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
    """Say that a card was written."""
    print(f"Card updated: {folder}")


def data_name(folder: Path) -> str:
    """Return the name of the data set, with its part where the folder is a part of it."""
    folder = folder.resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name in PARTS else folder.name


def default_folder(models: Sequence[Model], data_dir: Path, parts: Sequence[str]) -> Path:
    """Return where figures are written if nothing else is asked for: ``MODELS/DATA-PART``."""
    named = "-vs-".join(model.card.name for model in models)
    place = "-".join([data_name(data_dir).replace("/", "-"), *parts])
    return Path("evaluation", named, place)


def given_words(
    arguments: argparse.Namespace, names: Sequence[str], defaults: Mapping[str, Any]
) -> list[str]:
    """Return the options that are not at their default, without paths of this machine."""
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
