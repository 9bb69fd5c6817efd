"""What goes from the first process to that of a batch, and what comes back: pickled, over pipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cytosynth.tasks.common.process.messages import Failed, Final, Working

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.tasks.batch.records import BatchOutcome, BatchPlan
    from napari_cytosynth.tasks.batch.settings import BatchSettings

__all__ = [
    "BatchRequest",
    "Ended",
    "Event",
    "Failed",
    "ItemFinished",
    "Planned",
    "Started",
    "Working",
]


@dataclass(frozen=True)
class BatchRequest:
    """Arguments of a batch.

    Attributes
    ----------
    settings, inputs, out, recursive, name_pattern, resume, overwrite, jobs
        See :func:`~napari_cytosynth.tasks.batch.task.batch`. Here the default of `resume` is
        True: what is done, as its provenance proves, is not done again.
    """

    settings: BatchSettings
    inputs: tuple[str, ...]
    out: str
    recursive: bool = False
    name_pattern: str | None = None
    resume: bool = True
    overwrite: bool = False
    jobs: int = 1


@dataclass(frozen=True)
class Planned:
    """All images are known; rows of later events count the items of this plan."""

    plan: BatchPlan


@dataclass(frozen=True)
class Started:
    """Work on an item has begun."""

    row: int


@dataclass(frozen=True)
class ItemFinished:
    """An item has its outcome, whose picture is left out."""

    row: int
    outcome: BatchOutcome


@dataclass(frozen=True)
class Ended(Final):
    """The batch is over; the files are its tables and its page."""

    files: tuple[Path, ...]
    messages: tuple[str, ...]


Event = Planned | Started | ItemFinished | Working | Ended | Failed
