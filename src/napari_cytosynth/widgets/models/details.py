"""What is to be known of a model before it is used, as lines of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.zoo.text import one_line

from .rows import TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.zoo.card import ModelCard

    from .rows import ModelRow

__all__ = ["card_of", "details_of", "page_of", "picture_of"]

_MOST_FIGURES = 3
_LONGEST = 400  # characters of the remarks; the card has all of them


def card_of(row: ModelRow) -> ModelCard | None:
    """Return the card of a model; None if there is none that can be read."""
    if row.card is not None or row.path is None:
        return row.card
    from napari_cytosynth.zoo.model_files import read_card

    try:
        return read_card(row.path)
    except CytosynthError:  # it was there when the list was made
        return None


def page_of(row: ModelRow) -> str:
    """Return the page of a model in Markdown; its texts are data, which cannot become markup."""
    from napari_cytosynth.zoo.model_page import render_readme

    card = card_of(row)
    if card is None:
        return ""
    page = render_readme(card, row.source)
    return page.partition("\n---\n\n")[2]  # without what is for the Hub


def picture_of(row: ModelRow | None) -> Path | None:
    """Return the file of a small picture; None without one. Those of strangers are not opened."""
    if row is None or row.origin != "bundled" or row.path is None:
        return None
    path = row.path / "picture.jpg"
    return path if path.is_file() else None


def details_of(row: ModelRow) -> str:
    """Return title, licence, size, place, figures and remarks of a model."""
    card = card_of(row)
    if card is None:
        return "\n".join([row.source, row.problem or "Its card cannot be read."])
    lines = [
        one_line(card.title, _LONGEST),
        _use(card),
        f"Licence: {_licence(card)}",
        f"Size: {_size(row)}",
        f"Where: {_where(row)}",
        *_revision(row),
        *_figures(card),
        *_remarks(card),
    ]
    return "\n".join(line for line in lines if line)


def _use(card: ModelCard) -> str:
    inference = card.inference
    channels = ", ".join(map(one_line, inference.output_channels[:8]))
    does = TASKS[inference.task].capitalize()
    what = f"{does}: {channels}" if inference.task in ("stain", "generate") else does
    if inference.task == "encode":
        what = "Describes images by features, to compare sets of them"
    size = inference.pixel_size_um
    return f"{what}; trained at {size:.3g} µm per pixel" if size else what


def _licence(card: ModelCard) -> str:
    from napari_cytosynth.zoo.collection.licences import licence_in_words

    words = licence_in_words(card.licence, card.training.data_licence)
    named = [one_line(card.licence, 100)] if card.licence else []
    data = card.training.data_licence
    named += [f"trained on: {one_line(data, 200)}"] if data else []
    return f"{words} ({'; '.join(named)})" if named else words


def _size(row: ModelRow) -> str:
    if not row.size_bytes:
        return "unknown"
    kept = f", of which {row.kept / 1e6:.1f} MB have arrived" if row.kept else ""
    return f"{row.size_bytes / 1e6:.1f} MB{kept}"


def _where(row: ModelRow) -> str:
    if row.origin == "bundled":
        from napari_cytosynth.zoo.catalogue import find_entry

        entry = find_entry(row.source)
        published = entry is not None and entry.revision is not None
        return "comes with the package" + ("" if published else "; not on the Hub yet")
    if row.path is not None:
        cached = row.origin == "hub"  # below is a folder for each revision
        return str(row.path.parent.parent if cached else row.path)
    return "on the Hugging Face Hub, not on this computer"


def _revision(row: ModelRow) -> list[str]:
    if row.origin != "hub":
        return []
    here = f"Revision: {row.revision[:10]}"
    if row.outdated:
        return [f"{here}; {row.newest[:10]} is newer: Fetch downloads it"]
    return [f"{here}, the newest" if row.newest else f"{here}; Search tells whether it is newest"]


def _figures(card: ModelCard) -> list[str]:
    return [
        f"{one_line(metric.name, 60)}: {metric.value:.3g} ({one_line(metric.dataset, 120)})"
        for metric in card.metrics[:_MOST_FIGURES]
    ]


def _remarks(card: ModelCard) -> list[str]:
    text = one_line(card.training.remarks, _LONGEST)
    return [f"Remarks: {text}"] if text else []
