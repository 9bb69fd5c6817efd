"""The process of a batch: ``python -P -m`` of this module is how it is started."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_cytosynth.tasks.common.process.child import Sender, serve

from .messages import Ended, ItemFinished, Planned, Started

if TYPE_CHECKING:
    from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome, BatchPlan

    from .messages import BatchRequest

__all__ = ["main"]


class _BatchSender(Sender):
    """Sends events, as the callbacks of a batch."""

    def __init__(self, pipe: BinaryIO) -> None:
        super().__init__(pipe)
        self._rows: dict[tuple[str, Any], int] = {}

    def plan(self, plan: BatchPlan) -> None:
        self._rows = {_key(item): row for row, item in enumerate(plan.items)}
        self.send(Planned(plan))

    def start(self, item: BatchItem) -> None:
        self.send(Started(self._rows[_key(item)]))

    def outcome(self, outcome: BatchOutcome) -> None:
        row = self._rows[_key(outcome.item)]
        self.send(ItemFinished(row, replace(outcome, thumbnail=b"")))


def _key(item: BatchItem) -> tuple[str, Any]:
    return str(item.path), item.series


def _do(request: BatchRequest, sender: _BatchSender) -> None:
    from napari_cytosynth.tasks.batch.task import batch

    result = batch(
        request.inputs,
        request.out,
        request.settings,
        recursive=request.recursive,
        name_pattern=request.name_pattern,
        resume=request.resume,
        overwrite=request.overwrite,
        jobs=request.jobs,
        plates="tiff",  # which the window opens
        on_plan=sender.plan,
        on_start=sender.start,
        on_outcome=sender.outcome,
        progress=sender.progress,
    )
    sender.send(Ended(result.files, result.messages))


def main() -> int:
    """Do the batch that is on the standard input; return its status."""
    return serve(_do, _BatchSender)


if __name__ == "__main__":
    sys.exit(main())
