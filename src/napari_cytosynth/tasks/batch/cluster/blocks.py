"""One plane that is too large for a worker in one piece: a task for each of its blocks.

First the network runs on all blocks, then the objects of each are found from its output and that
of its neighbours. Both are kept on the disk that all workers see, beside the result. The blocks are
joined where the run was begun.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.files import explained_errors
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome
from napari_cytosynth.tasks.batch.resume import input_state
from napari_cytosynth.tasks.batch.verbs import asked_of, blocked_run
from napari_cytosynth.tasks.batch.worker import Worker
from napari_cytosynth.tasks.export.saving import check_beforehand
from napari_cytosynth.tasks.segment.blocks import grid
from napari_cytosynth.tasks.segment.blocks.plane import LazyPlane
from napari_cytosynth.tasks.segment.blocks.staged import StagedBlocks
from napari_cytosynth.tasks.segment.blocks.task import blocks_destination, write_blocks

from .client import outcomes_of_cluster
from .connection import check_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.inference.normalise import Scaling
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch.settings import BatchSettings
    from napari_cytosynth.tasks.export.destination import Destination
    from napari_cytosynth.tasks.segment.blocks.run import BlockedRun, BlockedSegmentation
    from napari_cytosynth.tasks.segment.blocks.staged import Stage

__all__ = ["SharingWorker", "segment_on_cluster"]

_STAGES: tuple[Stage, ...] = ("network", "objects")
_SAID = {"network": "running the network on blocks", "objects": "finding objects in blocks"}


@dataclass(frozen=True)
class _BlockItem(BatchItem):
    """One stage of one block."""

    stage: Stage = "network"
    number: int = 0


@dataclass(eq=False)
class _BlockWorker(Worker):
    """Does blocks of one plane; what they share is made once."""

    image: BatchItem | None = None
    staged: StagedBlocks | None = None
    precision: str = "auto"
    scalings: tuple[Scaling, ...] = ()

    @cached_property
    def run(self) -> BlockedRun:
        assert self.image is not None
        return blocked_run(self.settings, self.load(), self.image, self.precision)

    def _made(self, item: BatchItem, progress: Progress) -> BatchOutcome:
        staged = self.staged
        assert staged is not None
        assert isinstance(item, _BlockItem)
        if item.stage == "network":
            block = staged.blocks()[item.number]
            plane, part = LazyPlane(self.run.reader), (block.rows, block.columns)
            arrays = staged.probability, staged.flows
            self.run.predict(plane, list(self.scalings), *arrays, progress, part)
            staged.mark("network", item.number)
        else:
            decoder = self.run.decoder(staged.probability, staged.flows)
            found = decoder.decode(staged.blocks(decoder)[item.number])
            progress(0, 1, "finding objects")
            staged.save_objects(item.number, found)
        return BatchOutcome(item, "done")


def segment_on_cluster(
    path: Path,
    target: Path,
    settings: BatchSettings,
    scheduler: str,
    *,
    series: int | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BlockedSegmentation:
    """Segment a plane of an OME-Zarr in blocks, on the workers of a Dask cluster.

    The result is that of :func:`~napari_cytosynth.tasks.segment.blocks.segment_in_blocks`. What is
    done lies in ``NAME-blocks`` beside it until the end, and the next run goes on from there if
    image, settings and weights are the same.

    Parameters
    ----------
    path, series
        The image.
    target
        The OME-Zarr, ``NAME.zarr``, on the disk that all workers see.
    settings
        Model and options of ``segment``.
    scheduler
        Address of the scheduler, or its scheduler file.
    overwrite
        Replace what others wrote, too. Default: False.
    progress
        Called several times a second; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run.

    Raises
    ------
    InputError
        If the image, or an option, needs a plane as a whole.
    OutputError
        If it cannot be written there.
    CytosynthError
        If the scheduler does not answer, or a block fails.
    """
    scheduler, destination = check_scheduler(scheduler), blocks_destination(target)
    tick = resolve_progress(progress)
    image = BatchItem(path.absolute(), path.name, series)
    worker = _BlockWorker(settings, destination.folder.absolute(), image=image)
    run = blocked_run(settings, worker.load(), image)
    return _share_out(run, worker, destination, scheduler, tick, overwrite=overwrite)


@dataclass(eq=False)
class SharingWorker(Worker):
    """Does huge planes of a batch: their blocks are shared out to the workers of a cluster.

    Attributes
    ----------
    scheduler
        Its address, or its scheduler file.
    """

    scheduler: str = ""

    def write_blocks(
        self,
        item: BatchItem,
        run: BlockedRun,
        added: Callable[[BlockedSegmentation], dict[str, Any]],
        progress: Progress,
    ) -> BlockedSegmentation:
        """Segment a plane into an OME-Zarr on the cluster."""
        destination = self.blocks_destination(item)
        worker = _BlockWorker(self.settings, destination.folder.absolute(), image=item)
        worker._loaded = self._loaded
        return _share_out(run, worker, destination, self.scheduler, progress, self.overwrite, added)


def _share_out(
    run: BlockedRun,
    worker: _BlockWorker,
    destination: Destination,
    scheduler: str,
    tick: Progress,
    overwrite: bool,
    added: Callable[[BlockedSegmentation], dict[str, Any]] | None = None,
) -> BlockedSegmentation:
    """Do the blocks of a plane on a cluster, and join them here."""
    rows, columns = run.reader.plane_shape
    check_beforehand(destination, run.source.files, size=20 * rows * columns, overwrite=overwrite)
    plane = LazyPlane(run.reader)
    tick(0, 1, "looking at the intensities")
    worker.scalings = tuple(run.scalings(plane))
    worker.precision = str(run.predictor.precision)
    asked = asked_of(run, worker.settings)
    if all(one.scale == 0 for one in worker.scalings):  # nothing to share out
        return write_blocks(run, destination, asked, tick, overwrite=overwrite, added=added)
    (name,) = [Path(image).stem for image in destination.files if image.suffix == ".zarr"]
    staged = worker.staged = StagedBlocks(
        worker.out / f"{name}-blocks", (rows, columns), run.by_flows, grid.BLOCK
    )
    with explained_errors(staged.folder):
        staged.prepare(_key(worker, asked))
    for stage in _STAGES[: 1 + run.by_flows]:
        _do(worker, staged, stage, scheduler, tick)
    result = write_blocks(
        run, destination, asked, tick, overwrite=overwrite, added=added, staged=staged
    )
    staged.remove()
    return result


def _key(worker: _BlockWorker, asked: dict[str, Any]) -> str:
    """Return what tells these blocks from those of another image, or of other settings."""
    assert worker.image is not None
    known = {
        "settings": worker.digest,
        "input": input_state(worker.image),
        "precision": worker.precision,
        "scalings": [asdict(one) for one in worker.scalings],
        "asked": asked,
    }
    return json.dumps(known, sort_keys=True, default=str)


def _do(
    worker: _BlockWorker, staged: StagedBlocks, stage: Stage, scheduler: str, tick: Progress
) -> None:
    """Do a stage of all blocks that are not done yet."""
    assert worker.image is not None
    image, total = worker.image, len(staged.blocks())
    todo = staged.pending(stage)
    items = [
        _BlockItem(image.place, f"block {number}", image.read_series, stage=stage, number=number)
        for number in todo
    ]

    def report(done: int, state: str) -> None:
        text = " · ".join(part for part in (_SAID[stage], state) if part)
        tick(min(total - len(items) + done, total - 1), total, text)  # the end closes a bar

    if not items:
        return
    with closing(outcomes_of_cluster(worker, items, scheduler, report)) as outcomes:
        for _, outcome in outcomes:
            if outcome.state == "failed":
                raise CytosynthError(
                    f"{outcome.item.name.capitalize()} of {total} failed: {outcome.sentence} What "
                    "is done stays: run the same command again to go on."
                )
