"""The models of the list, those of this computer and those of the Hub, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cytosynth.widgets.common.row_list import RowTable
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.catalogue import ModelInfo
    from napari_cytosynth.zoo.collection.searching import HubListing, HubModel

__all__ = ["PLACES", "TASKS", "ModelRow", "ModelTable", "rows_of"]

TASKS = {
    "segment": "segments",
    "stain": "stains",
    "generate": "generates",
    "encode": "features",
}
"""Task -> what a model of it does, in a word."""

PLACES = {
    "bundled": "package",
    "own": "yours",
    "hub": "downloaded",
    "folder": "folder",
    "gone": "not here",
    "": "Hub",
}
"""Origin -> where a model is, in a few words."""

_LONGEST = 100


@dataclass(frozen=True)
class ModelRow:
    """One model of the list.

    Attributes
    ----------
    source
        What `load_model` takes.
    name
        What is shown.
    task
        Its verb; empty if unknown.
    origin
        "bundled", "own", "hub"; "folder" and "gone" of a default that is a folder elsewhere or
        is not on this computer; empty for one that is on the Hub alone.
    size_bytes
        Size of the weights file; 0 if unknown.
    path
        Folder on this computer; None for one on the Hub.
    revision, newest
        Commit that is here, and the newest on the Hub; empty if unknown.
    card
        The card of a model on the Hub; that of one on this computer is read when it is looked at.
    problem
        Why a model cannot be used, as a sentence.
    starred
        Whether its verb begins with it.
    kept
        Bytes of a download that was stopped.
    """

    source: str
    name: str
    task: str = ""
    origin: str = ""
    size_bytes: int = 0
    path: Path | None = None
    revision: str = ""
    newest: str = ""
    card: ModelCard | None = None
    problem: str = ""
    starred: bool = False
    kept: int = 0

    @property
    def here(self) -> bool:
        """Whether it is on this computer."""
        return self.origin not in ("", "gone")

    @property
    def outdated(self) -> bool:
        """Whether a newer revision is known, which can be fetched under the same name."""
        plain = "@" not in self.source
        return self.origin == "hub" and plain and self.newest not in ("", self.revision)

    @property
    def place(self) -> str:
        """Where it is, in a few words."""
        return PLACES[self.origin] + (", newer: Hub" if self.outdated else "")


def rows_of(
    infos: list[ModelInfo],
    stars: dict[str, str],
    found: HubListing | None,
    kept: dict[str, int],
    elsewhere: dict[str, Path | None] | None = None,
) -> list[ModelRow]:
    """Return the rows of the models here, other defaults, then those that are on the Hub alone.

    Parameters
    ----------
    infos
        The models on this computer.
    stars
        Verb -> its default model.
    found
        Result of the last search of the Hub; None without one.
    kept
        Repository -> bytes of a download that was stopped.
    elsewhere
        Verb -> where its default is that is none of `infos`; None: not on this computer.
    """
    listed = {} if found is None else {model.source: model.revision for model in found.models}
    newest = listed | ({} if found is None else found.newest)
    rows = [
        ModelRow(
            source=info.source,
            name=info.name if info.origin != "hub" else info.source,
            task=info.task,
            origin=info.origin,
            size_bytes=info.size_bytes,
            path=info.path,
            revision=info.revision or "",
            newest=newest.get(info.source, ""),
            starred=stars.get(info.task) == info.source,
        )
        for info in infos
    ]
    rows += [_starred(verb, stars[verb], path) for verb, path in (elsewhere or {}).items()]
    here = {row.source for row in rows}
    found_models = () if found is None else found.models
    return rows + [_on_hub(m, kept.get(m.source, 0)) for m in found_models if m.source not in here]


def _starred(verb: str, source: str, path: Path | None) -> ModelRow:
    """Return the row of a default that is no model of the list, so that its star can be taken."""
    gone = (
        f"{verb.capitalize()} was to begin with this model, which is not on this computer any "
        "more. Add it again, or take the star away."
    )
    return ModelRow(
        source=source,
        name=source if path is None else path.name,
        task=verb,
        origin="gone" if path is None else "folder",
        path=path,
        problem=gone if path is None else "",
        starred=True,
    )


def _on_hub(model: HubModel, kept: int) -> ModelRow:
    return ModelRow(
        source=model.source,
        name=model.source,
        task="" if model.card is None else model.card.inference.task,
        size_bytes=model.size_bytes,
        newest=model.revision,
        card=model.card,
        problem=model.problem,
        kept=kept,
    )


class ModelTable(RowTable):
    """The rows, with model, task and place as columns."""

    headers = ("model", "does", "where")
    rows: list[ModelRow]

    def text(self, row: ModelRow, column: int) -> str:
        """Return the text of a cell."""
        star = "★ " if row.starred else ""
        cells = (star + one_line(row.name, _LONGEST), TASKS.get(row.task, "–"), row.place)
        return cells[column]

    def tip(self, row: ModelRow) -> str:
        """Return what the model is called, and where it is."""
        return f"{row.source}\n{row.path or row.problem}".strip()
