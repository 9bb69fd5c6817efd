"""Items handed to the workers of a Dask cluster: lost workers, retries, cancelling."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import time
import uuid
from collections import deque
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.outcome import explain
from napari_cytosynth.tasks.batch.records import BatchOutcome
from napari_cytosynth.version import __version__

from .connection import connected, sent_settings, shared_marker
from .remote import Answer, RemoteCall, RemoteWork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from napari_cytosynth.tasks.batch.records import BatchItem
    from napari_cytosynth.tasks.batch.worker import Worker

__all__ = ["outcomes_of_cluster"]

_POLL = 0.2  # s
_LOOK = 2.0  # s between two looks at the workers
_PATIENCE = 5.0  # s to fetch the outcome of a task that is done
_LEAST_SENT = 32
"""Items that are handed over at least, so that a cluster that grows with its work grows."""
_MOST_TRIES = 2
_KILLED = (
    "Every worker that began it was lost, most likely because its memory was used up. "
    "Give the workers more memory, or use smaller images."
)


def outcomes_of_cluster(
    worker: Worker,
    items: Sequence[BatchItem],
    scheduler: str,
    report: Callable[[int, str], None],
    begin: Callable[[BatchItem], None] | None = None,
) -> Generator[tuple[int, BatchOutcome], None, None]:
    """Do items on the workers of a Dask cluster; yield the number and the outcome of each.

    A worker that is lost loses nothing: its items are given to others. An item that fails is
    tried once more, on another worker if there is one. One that takes its workers with it is
    tried again by itself at the end, so that no other is blamed, and then it fails.

    Parameters
    ----------
    worker
        What does them: settings and folder, with the model loaded.
    items
        The items.
    scheduler
        Address of the scheduler, or its scheduler file.
    report
        Called several times a second with the number of items that are done, and with what
        is going on; it may raise :class:`~napari_cytosynth.errors.Cancelled`.
    begin
        Called with each item when it is handed over. Default: None.

    Raises
    ------
    CytosynthError
        If the scheduler is lost, or a worker cannot do any item.
    """
    model, out = worker.load(), worker.out.absolute()
    settings = sent_settings(worker.settings)
    sent = replace(worker, settings=settings, out=out, resume=False)
    with connected(scheduler) as client, shared_marker(out) as marker:
        work = RemoteWork(sent, "" if model is None else model.sha256, marker)
        run = _ClusterRun(client, scheduler, pickle.dumps(work), items, begin, marker)
        try:
            yield from run.outcomes(report)
        except (OSError, CancelledError) as error:
            raise CytosynthError(
                f"The Dask scheduler at “{scheduler}” was lost, or dropped the tasks. What is "
                "done stays, and --resume goes on from there."
            ) from error
        finally:
            run.cancel()


@dataclass(eq=False)
class _Sent:
    """An item that is at the cluster."""

    number: int
    future: Any


@dataclass(eq=False)
class _ClusterRun:
    """One run over items: which are waiting, which are at the cluster, and what came back."""

    client: Any
    scheduler: str
    work: bytes
    items: Sequence[BatchItem]
    begin: Callable[[BatchItem], None] | None
    marker: Path
    name: str = field(default_factory=lambda: f"cytosynth-{uuid.uuid4().hex[:8]}")
    sent: dict[str, _Sent] = field(default_factory=dict)
    arrived: queue.Queue[Any] = field(default_factory=queue.Queue)
    tries: dict[int, int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    looked: float = -_LOOK

    def outcomes(self, report: Callable[[int, str], None]) -> Iterator[tuple[int, BatchOutcome]]:
        waiting, suspects = deque(range(len(self.items))), deque[int]()
        done = 0
        while done < len(self.items):
            self._look()
            while waiting and len(self.sent) < max(_LEAST_SENT, 2 * sum(self.workers.values())):
                self._send(waiting.popleft())
            if suspects and not self.sent:  # by itself: if a worker dies, it was this one
                self._send(suspects.popleft())
            for number, outcome in self._received():
                if outcome is None:
                    suspects.append(number)
                    continue
                done += 1
                yield number, outcome
            report(done, self._state())

    def cancel(self) -> None:
        """Take back what is at the cluster; what runs there stops between two tiles."""
        futures = [one.future for one in self.sent.values()]
        self.sent.clear()
        if futures and self.client.status == "running":
            with contextlib.suppress(OSError, CancelledError):
                self.client.cancel(futures, force=True)

    # -- to the cluster ---------------------------------------------------------------------------

    def _look(self) -> None:
        """See which workers there are, now and then."""
        if time.monotonic() - self.looked >= _LOOK:
            self.workers = dict(self.client.nthreads())
            os.utime(self.marker)  # it is in use: see napari_cytosynth.files
            self.looked = time.monotonic()

    def _state(self) -> str:
        count = len(self.workers)
        return f"{count} workers" if count else f"waiting for a worker at {self.scheduler}"

    def _send(self, number: int, avoid: str = "") -> None:
        tried = self.tries[number] = self.tries.get(number, 0) + 1
        call = pickle.dumps(RemoteCall(__version__, self.work, pickle.dumps(self.items[number])))
        others = [address for address in self.workers if address != avoid] if avoid else None
        future = self.client.submit(
            pickle.loads,
            call,
            key=f"{self.name}-{number}-{tried}",
            pure=False,
            workers=others or None,
            allow_other_workers=bool(others),
        )
        self.sent[future.key] = _Sent(number, future)
        future.add_done_callback(self.arrived.put)
        if self.begin is not None and tried == 1:
            self.begin(self.items[number])

    # -- from the cluster -------------------------------------------------------------------------

    def _received(self) -> Iterator[tuple[int, BatchOutcome | None]]:
        """Yield what arrives soon: number and outcome, None if its workers were lost with it."""
        with contextlib.suppress(queue.Empty):
            future = self.arrived.get(timeout=_POLL)
            while True:
                one = self.sent.pop(future.key, None)
                if one is not None:
                    yield from self._result(one)
                future = self.arrived.get_nowait()

    def _result(self, one: _Sent) -> Iterator[tuple[int, BatchOutcome | None]]:
        future, number = one.future, one.number
        try:
            if future.status == "error":
                answer = self._error(number, future.exception(timeout=_PATIENCE))
            else:
                answer = future.result(timeout=_PATIENCE)
        except TimeoutError:  # its worker is gone, and the item is done again
            self.sent[future.key] = one
            future.add_done_callback(self.arrived.put)
            return
        if answer is None:
            yield number, None
            return
        if answer.outcome is None:
            raise CytosynthError(f"The worker {answer.address} {answer.trouble}")
        if answer.outcome.state == "failed" and self.tries[number] < _MOST_TRIES:
            self._send(number, avoid=answer.address.partition(" ")[0])
            return
        yield number, answer.outcome

    def _error(self, number: int, error: BaseException) -> Answer | None:
        """Return what an error of Dask means: the work itself raises none."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            if self.tries[number] < _MOST_TRIES:
                return None
            sentence = _KILLED
        elif isinstance(error, ImportError):
            raise CytosynthError(
                f"A worker of “{self.scheduler}” lacks what it needs ({error}). Install on all "
                f'workers: pip install "napari-cytosynth=={__version__}"'
            ) from error
        else:
            sentence = explain(error) or f"Its task failed ({type(error).__name__}: {error})."
        return Answer("", BatchOutcome(self.items[number], "failed", sentence))
