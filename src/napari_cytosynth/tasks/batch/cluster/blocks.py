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
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.files import explained_errors
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.batch.from_file import file_source
from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome
from napari_cytosynth.tasks.batch.resume import input_state
from napari_cytosynth.tasks.batch.worker import Worker
from napari_cytosynth.tasks.export.saving import check_beforehand
from napari_cytosynth.tasks.segment.blocks import grid
from napari_cytosynth.tasks.segment.blocks.plane import LazyPlane
from napari_cytosynth.tasks.segment.blocks.run import prepare_run
from napari_cytosynth.tasks.segment.blocks.staged import StagedBlocks
from napari_cytosynth.tasks.segment.blocks.task import blocks_destination, write_blocks

from .client import outcomes_of_cluster
from .connection import check_scheduler

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.inference.normalise import Scaling
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch.settings import BatchSettings
    from napari_cytosynth.tasks.segment.blocks.run import BlockedRun, BlockedSegmentation
    from napari_cytosynth.tasks.segment.blocks.staged import Stage

__all__ = ["segment_on_cluster"]

_OF_LABELS = (
    *("threshold", "min_size", "split_touching", "fill_holes", "drop_border", "min_confidence"),
)
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
        return _run_of(self.image, self.load(), self.settings, self.precision)

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


def _run_of(image: BatchItem, model: Any, settings: BatchSettings, precision: str) -> BlockedRun:
    """Return a run over the plane of a file, of which nothing is read yet."""
    file = read_image(image.place, image.read_series, lazy=True)
    given = dict(settings.parameters)
    options = {name: given.get(name) for name in _OF_LABELS}
    return prepare_run(
        file_source(file, image.path),
        model,
        options,
        axes=given.get("axes") or file.axes,
        channels=given.get("channels"),
        pixel_size=given.get("pixel_size") or file.pixel_size_um,
        device=given.get("device", "auto"),
        precision=precision,
    )


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
    run = _run_of(image, worker.load(), settings, "auto")
    rows, columns = run.reader.plane_shape
    check_beforehand(destination, run.source.files, size=20 * rows * columns, overwrite=overwrite)
    plane = LazyPlane(run.reader)
    tick(0, 1, "looking at the intensities")
    worker.scalings = tuple(run.scalings(plane))
    worker.precision = str(run.predictor.precision)
    asked = run.common_parameters(settings.parameters.get("channels"), False, "auto", "auto")
    if all(one.scale == 0 for one in worker.scalings):  # nothing to share out
        return write_blocks(run, destination, asked, tick, overwrite=overwrite)
    staged = worker.staged = StagedBlocks(
        worker.out / f"{target.stem}-blocks", (rows, columns), run.by_flows, grid.BLOCK
    )
    with explained_errors(staged.folder):
        staged.prepare(_key(worker, image, asked))
    for stage in _STAGES[: 1 + run.by_flows]:
        _do(worker, staged, stage, scheduler, tick)
    result = write_blocks(run, destination, asked, tick, overwrite=overwrite, staged=staged)
    staged.remove()
    return result


def _key(worker: _BlockWorker, image: BatchItem, asked: dict[str, Any]) -> str:
    """Return what tells these blocks from those of another image, or of other settings."""
    known = {
        "settings": worker.digest,
        "input": input_state(image),
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
        _BlockItem(image.path, f"block {number}", image.series, stage=stage, number=number)
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
