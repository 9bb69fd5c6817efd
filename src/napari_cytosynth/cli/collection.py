"""``cytosynth models star``, ``search``, ``copy`` and ``add``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.settings import TASKS, VERBS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from napari_cytosynth.zoo.collection.searching import HubListing, HubModel

__all__ = ["add_parsers", "columns"]


def add_parsers(actions: Any) -> None:
    """Add the actions to the sub-parsers of ``cytosynth models``."""
    add = actions.add_parser(
        "star",
        examples=[
            "cytosynth models star em-cells-unet",
            "cytosynth models star --clear segment",
            "cytosynth models star",
        ],
        help="choose the model that a widget of napari begins with",
        description="Make a model the one that Segment, Stain or Generate begins with, whichever "
        "it is for. Without a model, print those that are chosen. Commands and scripts name "
        "their model themselves.",
    )
    which = add.add_mutually_exclusive_group()
    which.add_argument("model", nargs="?", help="a name from “cytosynth models list”, or a folder")
    which.add_argument("--clear", choices=VERBS, help="let this verb have none")
    add.set_defaults(run=star)
    add = actions.add_parser(
        "search",
        examples=["cytosynth models search", "cytosynth models search nuclei --task segment"],
        help="ask the Hugging Face Hub for models of this package",
        description="Ask the Hub for models with the tag napari-cytosynth, and for newer "
        "revisions of those that were downloaded. Nothing is downloaded.",
    )
    add.add_argument("text", nargs="?", default="", help="text that their names hold")
    add.add_argument("--task", choices=TASKS)
    add.set_defaults(run=search)
    add = actions.add_parser(
        "copy",
        examples=["cytosynth models copy my-lab/my-cells /media/stick"],
        help="copy a model to a folder, for a computer without internet",
    )
    add.add_argument("model", help="a name from “cytosynth models list”, or a folder")
    add.add_argument("folder", help="a folder of the model's name is made in it")
    add.set_defaults(run=copy)
    add = actions.add_parser(
        "add",
        examples=["cytosynth models add /media/stick/my-cells"],
        help="add a model from a folder to those of this computer",
        description="Copy a model's folder to this computer, so that napari lists it and its name "
        "is enough. The folder may go afterwards.",
    )
    add.add_argument("folder", help="a model's folder, or its model.safetensors")
    add.add_argument("--name", help="name to know it by (default: that on its card)")
    add.set_defaults(run=add_from_folder)


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()


def star(arguments: argparse.Namespace) -> None:
    """Choose a default model, take it back, or print all."""
    from napari_cytosynth.zoo.collection import stars

    if arguments.clear:
        stars.unstar(arguments.clear)
        echo(f"{arguments.clear}: no default model")
        return
    if arguments.model:
        stars.star(arguments.model)
    chosen = stars.starred()
    for verb in VERBS:
        echo(f"{verb}: {printable(chosen.get(verb, '–'))}")


def search(arguments: argparse.Namespace) -> None:
    """Print what the Hub has."""
    from napari_cytosynth.zoo.catalogue import list_models
    from napari_cytosynth.zoo.collection.searching import search_hub

    found = search_hub(arguments.text, task=arguments.task, progress=resolve_progress(None))
    here = {info.source: info.revision for info in list_models()}
    if not found.models:
        echo("The Hub has no such model for this package.")
    else:
        rows = [_row(model, model.source in here) for model in found.models]
        for line in columns([("MODEL", "TASK", "SIZE", "MAY BE USED", "WHAT IT DOES"), *rows]):
            echo(printable(line))
    for line in _newer(found, here):
        echo(printable(line))


def _row(model: HubModel, here: bool) -> tuple[str, ...]:
    from napari_cytosynth.zoo.collection.licences import licence_in_words
    from napari_cytosynth.zoo.text import one_line

    name = one_line(f"{model.source} (here)" if here else model.source, 200)
    size = f"{model.size_bytes / 1e6:.1f} MB" if model.size_bytes else "–"
    if model.card is None:
        return name, "–", size, "–", one_line(model.problem, 200)
    card = model.card
    words = licence_in_words(card.licence, card.training.data_licence)
    return name, card.inference.task, size, words, one_line(card.title, 200)


def _newer(found: HubListing, here: dict[str, str | None]) -> Iterator[str]:
    for repository, newest in found.newest.items():
        if here.get(repository) not in (None, newest):
            yield (
                f"{repository} has a newer revision ({newest[:10]}): “cytosynth models fetch "
                f"{repository} --newest” downloads it."
            )


def copy(arguments: argparse.Namespace) -> None:
    """Copy a model to a folder."""
    from napari_cytosynth.zoo.collection.copying import copy_model

    place = copy_model(arguments.model, arguments.folder, resolve_progress(None))
    echo(f"{printable(place)}")
    echo("On the other computer: “cytosynth models add FOLDER”, or Add… in the Models widget.")


def add_from_folder(arguments: argparse.Namespace) -> None:
    """Add a model from a folder."""
    from napari_cytosynth.zoo.collection.copying import add_model

    done = add_model(arguments.folder, resolve_progress(None), name=arguments.name)
    echo(printable(done.message))
