"""The record of a batch: what became of each file, and the tables of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from .report.tables import file_table, object_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from .records import BatchOutcome, BatchPlan
    from .settings import BatchSettings

__all__ = ["BatchResult"]


@dataclass(eq=False, repr=False)
class BatchResult:
    """What became of each file of a batch.

    Attributes
    ----------
    plan
        The images, and where their results lie.
    settings
        Task, model and arguments.
    outcomes
        One for each image, in the order of the plan.
    messages
        What the user ought to know of the inputs and the settings.
    files
        The summary: tables and page. Empty (default) after a dry run.
    """

    plan: BatchPlan
    settings: BatchSettings
    outcomes: tuple[BatchOutcome, ...]
    messages: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())

    def __repr__(self) -> str:
        counts = [f"{len(self.of_state(state))} {state}" for state in ("done", "skipped", "failed")]
        return f"<Batch of {len(self.outcomes)} images: {', '.join(counts)}>"

    def of_state(self, state: str) -> tuple[BatchOutcome, ...]:
        """Return the outcomes of a state: ``done``, ``skipped``, ``failed`` or ``planned``."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == state)

    @property
    def failures(self) -> tuple[BatchOutcome, ...]:
        """The outcomes of the images that failed, with a sentence each."""
        return self.of_state("failed")

    @cached_property
    def table(self) -> pd.DataFrame:
        """Objects of all files: ``file``, ``series``, ``plane`` first, then the named groups.

        The rest is as :func:`~napari_cytosynth.tasks.measure.table.measure` names it.
        """
        return object_table(self.outcomes, self.plan)

    @cached_property
    def file_table(self) -> pd.DataFrame:
        """One row for each image: state, number of objects, doubt, and why it failed."""
        return file_table(self.outcomes, self.plan)
