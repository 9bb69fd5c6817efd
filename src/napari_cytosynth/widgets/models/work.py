"""What the Models widget does in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.catalogue import ModelInfo
    from napari_cytosynth.zoo.collection.searching import HubListing

    from .rows import ModelRow

__all__ = [
    "Done",
    "Here",
    "add",
    "amount",
    "change_star",
    "copy",
    "fetch",
    "look_here",
    "remove",
    "search",
]

_COUNTS = 10_000  # from here on they are bytes


@dataclass(frozen=True)
class Here:
    """What is on this computer: models, stars, halves of downloads, and a sentence on all.

    `elsewhere` are the verbs whose default is no model of the list, with its folder, or None.
    """

    infos: list[ModelInfo]
    stars: dict[str, str]
    kept: dict[str, int]
    sentence: str
    elsewhere: dict[str, Path | None]


@dataclass(frozen=True)
class Done:
    """Result of an action: its sentence, the model to choose then, and what the Hub has.

    Attributes
    ----------
    sentence
        What was done.
    source
        The model that came or went; None if the models here are as they were.
    found
        Result of a search; None for other actions.
    """

    sentence: str
    source: str | None = None
    found: HubListing | None = None


def amount(done: int, total: int) -> str:
    """Return how much is done: a count, or megabytes."""
    if total < _COUNTS:
        return f"{done} of {total}"
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"


def look_here(found: HubListing | None) -> Here:
    """List the models on this computer.

    Parameters
    ----------
    found
        What the last search found, of which halves may be here.
    """
    from napari_cytosynth.zoo.catalogue import list_models
    from napari_cytosynth.zoo.collection.stars import starred
    from napari_cytosynth.zoo.opening import existing_path
    from napari_cytosynth.zoo.settings import offline_reason
    from napari_cytosynth.zoo.text import one_line
    from napari_cytosynth.zoo.transfer.partial import kept_bytes

    infos = list_models()
    kept = {m.source: kept_bytes(m.source) for m in found.models} if found else {}
    total = sum(info.size_bytes for info in infos) / 1e6
    count = len(infos)
    bundled = sum(info.origin == "bundled" for info in infos)
    parts = [f"{count} models on this computer, {total:.0f} MB; {bundled} come with the package."]
    stars, sources = starred(), {info.source for info in infos}
    elsewhere = {v: existing_path(model) for v, model in stars.items() if model not in sources}
    for verb, path in elsewhere.items():
        if path is None:
            shown = one_line(stars[verb], 100)
            parts.append(f"{verb.capitalize()}'s default, “{shown}”, is not on this computer.")
    reason = offline_reason()
    if reason:
        parts.append(f"Offline: {reason} forbids the network.")
    return Here(infos, stars, kept, " ".join(parts), elsewhere)


def change_star(row: ModelRow, _: Progress) -> Done:
    """Make a model the default of its verb, or take that back."""
    from napari_cytosynth.zoo.collection.stars import star, unstar

    verb = row.task.capitalize()
    if row.starred:
        unstar(row.task)
        return Done(f"{verb} has no default model any more.")
    star(row.source)
    return Done(f"{verb} begins with {row.name} when it is opened.")


def search(text: str, progress: Progress) -> Done:
    """Ask the Hub."""
    from napari_cytosynth.zoo.collection.searching import search_hub

    found = search_hub(text, progress=progress)
    count = len(found.models)
    sentence = f"The Hub has {count} model{'s' * (count != 1)} for this plugin"
    sentence += f" with “{text.strip()}” in the name." if text.strip() else "."
    return Done(sentence, found=found)


def fetch(row: ModelRow, progress: Progress) -> Done:
    """Download a model, or its newest revision."""
    from napari_cytosynth.zoo import hub

    if row.origin:
        hub.update(row.source, progress)
    else:
        hub.fetch(row.source, None, progress)
    return Done(f"{row.source} is on this computer now.", row.source)


def copy(row: ModelRow, folder: Path, progress: Progress) -> Done:
    """Copy a model to a folder."""
    from napari_cytosynth.zoo.collection.copying import copy_model

    place = copy_model(row.source, folder, progress)
    return Done(f"Copied to {place}. On the other computer, press “Add from a folder…”.")


def add(folder: Path, progress: Progress) -> Done:
    """Add a model from a folder."""
    from napari_cytosynth.zoo.collection.copying import add_model

    added = add_model(folder, progress)
    return Done(added.message, added.name)


def remove(row: ModelRow, _: Progress) -> Done:
    """Delete a model from this computer."""
    from napari_cytosynth.zoo.collection.places import remove_model

    freed = remove_model(row.source)
    return Done(f"Removed {row.name}: {freed / 1e6:.1f} MB are free again.", row.source)
