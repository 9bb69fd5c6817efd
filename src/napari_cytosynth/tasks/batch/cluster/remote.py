"""What a worker of a Dask cluster does with one item.

Only bytes travel to a worker, and only the outcome comes back: the worker reads the image and
writes the result itself. A scheduler needs no package but Dask, since it unpickles none of ours.
"""

from __future__ import annotations

import os
import pickle
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.tasks.batch.records import BatchOutcome
from napari_cytosynth.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch.records import BatchItem
    from napari_cytosynth.tasks.batch.worker import Worker

__all__ = ["Answer", "RemoteCall", "RemoteWork", "serve"]


@dataclass(frozen=True)
class RemoteWork:
    """What all items of a run share.

    Attributes
    ----------
    worker
        What does them; it loads the model where it arrives.
    sha256
        Of the weights that are meant; "" without a model.
    marker
        Folder in that of the results that only the same disk shows.
    """

    worker: Worker
    sha256: str
    marker: Path


@dataclass(frozen=True)
class Answer:
    """What comes back from a worker.

    Attributes
    ----------
    address
        Of the worker.
    outcome
        Of the item. Default: None, the worker can do no item.
    trouble
        Why it cannot. Default: "".
    """

    address: str
    outcome: BatchOutcome | None = None
    trouble: str = ""


class RemoteCall:
    """A call of :func:`serve` that happens where it is unpickled.

    So a worker that lacks the package fails with its ImportError, and one of another version
    says so before it unpickles what that version may not know.

    Parameters
    ----------
    version
        Of this package, at the client.
    work, item
        Pickles of :class:`RemoteWork` and of the item.
    """

    def __init__(self, version: str, work: bytes, item: bytes) -> None:
        self.arguments = (version, work, item)

    def __reduce__(self) -> tuple[Any, ...]:
        return serve, self.arguments


_lock = threading.Lock()
"""One item at a time: a worker of several threads gives all of them to its network."""
_kept: dict[bytes, Worker] = {}
"""The worker of the last run with its model, by its pickle."""


def serve(version: str, work: bytes, item: bytes) -> Answer:
    """Do an item on this worker.

    Parameters
    ----------
    version, work, item
        See :class:`RemoteCall`.

    Raises
    ------
    Cancelled
        If the task was cancelled meanwhile.
    """
    from distributed import get_worker

    dask = get_worker()
    address = f"{dask.address} ({socket.gethostname()})"
    if version != __version__:
        trouble = (
            f"has napari-cytosynth {__version__}, and this machine has {version}: results could "
            "differ. Install the same version on both."
        )
        return Answer(address, trouble=trouble)
    with _lock:
        progress = _progress_of(dask)
        progress(0, 1, "begin")  # it may have been cancelled while it waited for its turn
        _share_processor(dask.state.nthreads)
        try:
            worker = _ready(work)
        except CytosynthError as error:
            return Answer(address, trouble=f"cannot work: {error}")
        return Answer(address, _done(worker, pickle.loads(item), progress, address))


def _done(worker: Worker, item: BatchItem, progress: Progress, address: str) -> BatchOutcome:
    unseen = [p for p in (item.place, item.intensity) if p is not None and not p.exists()]
    if unseen and not item.problem:
        return BatchOutcome(
            item,
            "failed",
            f"The worker {address} does not see “{unseen[0]}”. Images must lie on a disk that all "
            "workers have under the same path.",
        )
    return worker.do(item, progress)


def _ready(work: bytes) -> Worker:
    """Return the worker of this run, whose model is loaded when the first item comes."""
    if work not in _kept:
        _kept.clear()  # the model of an earlier run
        shared: RemoteWork = pickle.loads(work)
        if not shared.marker.exists():
            raise CytosynthError(
                f"it does not see “{shared.worker.out}”. The results must go to a disk that all "
                "workers and this machine have under the same path."
            )
        model = shared.worker.load()
        if model is not None and model.sha256 != shared.sha256:
            raise CytosynthError(
                f"it has other weights of “{model.card.name}” (SHA-256 {model.sha256[:12]}…, here "
                f"{shared.sha256[:12]}…). Give a folder that all workers see, or a revision."
            )
        _kept[work] = shared.worker
    return _kept[work]


def _share_processor(threads: int) -> None:
    """Let torch take the threads that the worker was given, and no more than there are."""
    import torch

    torch.set_num_threads(max(1, min(threads, os.cpu_count() or 1)))


def _progress_of(dask: Any) -> Progress:
    """Return progress that stops the work between two tiles once its task is not wanted."""
    key = dask.get_current_task()

    def progress(done: int, total: int, message: str, /) -> None:
        task = dask.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Cancelled("stopped")

    return progress
