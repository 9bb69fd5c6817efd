"""What many fields cost: measured on a few of them, in core-seconds, bytes and files."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError
from napari_cytosynth.files import explained_errors
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.batch.from_file import count_pixels
from napari_cytosynth.tasks.batch.plan import make_plan
from napari_cytosynth.tasks.batch.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch.records import BatchItem
    from napari_cytosynth.tasks.batch.settings import BatchSettings

__all__ = ["FieldCost", "measure_cost"]


@dataclass(frozen=True)
class FieldCost:
    """The cost of one field, from reading it to its result on the disk.

    Attributes
    ----------
    megapixels
        Of a field, one channel.
    core_seconds
        Of each measured field: time of one core, whatever else the machine does.
    bytes, files
        What is written for a field.
    """

    megapixels: float
    core_seconds: tuple[float, ...]
    bytes: int
    files: int

    @property
    def per_field(self) -> float:
        """Core-seconds of a field, the median."""
        return statistics.median(self.core_seconds)

    @property
    def per_megapixel(self) -> float:
        """Core-seconds of a megapixel."""
        return self.per_field / self.megapixels

    def core_hours(self, fields: int) -> float:
        """Return the core-hours of so many fields: divided by the cores, the hours it takes."""
        return fields * self.per_field / 3600


def measure_cost(
    inputs: Any,
    settings: BatchSettings,
    *,
    fields: int = 5,
    place: Path | None = None,
    progress: Progress = silent,
) -> FieldCost:
    """Do a few fields with one core, and measure the time, bytes and files that each takes.

    Loading the model is not counted, since a worker does it once.

    Parameters
    ----------
    inputs
        Files, folders or plates, of which the first images are taken, all of the same size.
    settings
        Task, model and arguments.
    fields
        How many are measured. Default: 5; the same ones again if there are fewer.
    place
        Folder on the disk that is written to, in which nothing stays. Default: None, that of
        temporary files.
    progress
        Called before each field. Default: silent.

    Raises
    ------
    InputError
        If there is no image, or one cannot be done.
    """
    with explained_errors(place or Path("temporary files")):
        scratch = tempfile.TemporaryDirectory(dir=place)
    with scratch as made, _one_core():
        plan = make_plan(inputs, Path(made) / "out", settings.task, plates=True)
        items = _alike(list(plan.items))
        worker = Worker(settings, plan.out)
        worker.load()
        _seconds(worker, items[0])  # what only the first one waits for: imports, caches
        seconds = []
        for number in range(fields):
            progress(number, fields, "fields")
            seconds.append(_seconds(worker, items[number % len(items)]))
        progress(fields, fields, "fields")
        written = [path.stat() for path in plan.out.rglob("*") if path.is_file()]
        done = min(fields, len(items))
    return FieldCost(
        _pixels(items[0]) / 1e6,
        tuple(seconds),
        sum(file.st_size for file in written) // done,
        -(-len(written) // done),
    )


def _alike(items: list[BatchItem]) -> list[BatchItem]:
    """Return the images of the first one's size."""
    sound = [item for item in items if item.facts is not None and not item.problem]
    if not sound:
        raise InputError(items[0].problem or "There is no image that can be measured.")
    return [item for item in sound if _pixels(item) == _pixels(sound[0])]


def _pixels(item: BatchItem) -> int:
    assert item.facts is not None
    return count_pixels(item.facts.shape, item.facts.axes)


def _seconds(worker: Worker, item: BatchItem) -> float:
    start = time.process_time()
    outcome = worker.do(item, silent)
    if outcome.state == "failed":
        raise InputError(f"{item.title}: {outcome.sentence}")
    return time.process_time() - start


@contextmanager
def _one_core() -> Iterator[None]:
    """Let torch use one thread, as a worker of one core does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
