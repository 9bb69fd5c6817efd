"""Background jobs of the dock widgets, safe against the pitfalls of threads in napari.

A job is a plain thread that touches no Qt object. What it reports (progress, result,
error) it leaves in plain attributes; a timer of the widget reads them twenty times a
second. So nothing is ever emitted from a foreign thread or to a deleted widget, errors
are values (napari's workers swallow every ``RuntimeError``), and no task manager keeps
the job's arrays alive.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
import traceback
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_cytosynth.errors import Cancelled, CytosynthError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_cytosynth.progress import Progress

__all__ = ["Job", "JobRunner", "Outcome", "Tick", "stop_all"]

POLL_MS = 50
LAST_WAIT = 3.0  # s that the end of the program waits for jobs to stop
IMPORT_WAIT = 30.0  # s that it waits for a library that a job is loading

T = TypeVar("T")

_log = logging.getLogger(__name__)
_running: weakref.WeakSet[Job[Any]] = weakref.WeakSet()


@dataclass(frozen=True)
class Tick:
    """Progress of a job: `done` of `total` units, and a message."""

    done: int = 0
    total: int = 0
    message: str = ""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """Outcome of a job: a value, an error message for the user, or stopped."""

    value: T | None = None
    error: str | None = None
    stopped: bool = False


class Job(Generic[T]):
    """A function call in a thread of its own, with progress and cancellation.

    Parameters
    ----------
    work
        Called in the thread with a progress callable, which raises
        :class:`~napari_cytosynth.errors.Cancelled` once the job is requested to stop.
    after
        Job whose thread must end before this one begins to compute. Default: None.
    """

    def __init__(self, work: Callable[[Progress], T], after: Job[Any] | None = None) -> None:
        self.tick = Tick()
        self.outcome: Outcome[T] | None = None
        self._work: Callable[[Progress], T] | None = work
        self._after = after
        self._stop = threading.Event()
        # A daemon: whatever the job does, napari ends when it is closed.
        self._thread = threading.Thread(target=self._run, name="cytosynth-job", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        _running.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Request the job to stop at its next report of progress; return at once."""
        self._stop.set()

    @property
    def cancelling(self) -> bool:
        """Whether the job was requested to stop."""
        return self._stop.is_set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds; return whether the thread has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def report(self, done: int, total: int, message: str, /) -> None:
        """Record progress; raise `Cancelled` if the job was requested to stop."""
        if self._stop.is_set():
            raise Cancelled("Stopped.")
        self.tick = Tick(done, total, message)

    def _run(self) -> None:
        if self._after is not None:
            self._after.join()
        work, self._work, self._after = self._work, None, None
        assert work is not None
        try:
            self.report(0, 0, "")
            self.outcome = Outcome(value=work(self.report))
        except Cancelled:
            self.outcome = Outcome(stopped=True)
        except BaseException as error:
            # Only the sentence is kept: a traceback would keep the frames' arrays alive.
            self.outcome = Outcome(error=explain(error))


@atexit.register
def stop_all(timeout: float = LAST_WAIT) -> None:
    """Ask all jobs to stop and wait for them, but not for ever.

    An interpreter that shuts down under a running network may crash: a job stops at its next
    operation, so that this is over at once, and a job that hangs is left behind. The import of
    a library cannot be stopped, and the interpreter aborts when it ends within one: that is
    waited for.

    Parameters
    ----------
    timeout
        Seconds for all of them together.
    """
    jobs = list(_running)
    for job in jobs:
        job.cancel()
    end = time.monotonic() + timeout
    last = time.monotonic() + IMPORT_WAIT
    while not all(job.join(0.01) for job in jobs):
        now = time.monotonic()
        if _importing() and now < last:
            end = now + timeout  # from the import on it can stop
        elif now >= end:
            break


def _importing() -> bool:
    """Whether a module is being imported, by whatever thread."""
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    return any(getattr(spec, "_initializing", False) is True for spec in specs)


def explain(error: BaseException) -> str:
    """Return the message for the user; log errors that are not of this package."""
    if isinstance(error, CytosynthError):
        return str(error)
    # As text: a log record with the traceback itself would keep the frames' arrays alive.
    _log.error("In a background job: %s", "".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this image. Try the current plane only."
    detail = str(error).strip().splitlines() or [""]
    return (
        f"Something unexpected went wrong ({type(error).__name__}: {detail[0]}). "
        "Your layers are unchanged; the full report is in the log."
    )


class JobRunner(Generic[T]):
    """Runs one job at a time for a widget and delivers its outcome on the GUI thread.

    Starting a job while another runs cancels the other one and forgets it: a stale
    result never arrives.

    Parameters
    ----------
    owner
        The Qt widget; when it is destroyed, the job is cancelled.
    """

    def __init__(self, owner: QWidget) -> None:
        # The job lies in a cell of its own: the finaliser can reach it when the cycle
        # collector takes runner and widget together and has emptied both.
        self._cell: dict[str, Job[T] | None] = {"job": None}
        weakref.finalize(self, _cancel_in, self._cell)
        self._on_done: Callable[[Outcome[T]], None] | None = None
        self._on_tick: Callable[[Tick], None] | None = None
        self._shown = Tick()
        self._timer = QTimer(owner)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._deliver)
        self._closed = False
        # A bound method, of which Qt keeps no more than a weak reference: the cycle collector
        # empties a lambda before Qt deletes the widget, and calling it then kills the interpreter.
        owner.destroyed.connect(self._abandon)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.cancel)

    @property
    def _job(self) -> Job[T] | None:
        return self._cell["job"]

    @_job.setter
    def _job(self, job: Job[T] | None) -> None:
        self._cell["job"] = job

    @property
    def busy(self) -> bool:
        """Whether a job runs whose outcome has not been delivered."""
        return self._job is not None

    @property
    def cancelling(self) -> bool:
        """Whether the running job was requested to stop."""
        return self._job is not None and self._job.cancelling

    def start(
        self,
        work: Callable[[Progress], T],
        on_done: Callable[[Outcome[T]], None],
        on_tick: Callable[[Tick], None] | None = None,
    ) -> None:
        """Start `work` in a thread; `on_done` and `on_tick` are called on the GUI thread."""
        if self._closed:
            return
        previous = self._job
        self.cancel()
        self._on_done, self._on_tick, self._shown = on_done, on_tick, Tick()
        self._job = Job(work, after=previous)
        self._job.start()
        self._timer.start()

    def cancel(self) -> None:
        """Request the running job to stop; its outcome is still delivered."""
        if self._job is not None:
            self._job.cancel()

    def forget(self) -> None:
        """Request the running job to stop and drop its outcome."""
        self._on_done = self._on_tick = None
        self.cancel()

    def close(self) -> None:
        """Forget the running job and start no more, as the widget is being closed."""
        self.forget()
        self._closed = True

    def wait(self, timeout: float = 60.0) -> bool:
        """Process events until the job's outcome was delivered.

        Parameters
        ----------
        timeout
            Seconds after which to stop waiting. Default: 60.

        Returns
        -------
        bool
            Whether no job is left.
        """
        end = time.monotonic() + timeout
        while self._job is not None and time.monotonic() < end:
            if self._job.join(0.01):
                self._deliver()
            QApplication.processEvents()
        return self._job is None

    def _deliver(self) -> None:
        job = self._job
        if job is None:
            self._timer.stop()
            return
        outcome = job.outcome
        if job.tick != self._shown and outcome is None:
            self._shown = job.tick
            if self._on_tick is not None:
                self._on_tick(job.tick)
        if outcome is not None:
            self._finish(outcome)

    def _abandon(self, *_: object) -> None:
        # Called while Qt deletes the widget: only Python state may be touched.
        self.close()
        self._job = None

    def _finish(self, outcome: Outcome[T]) -> None:
        on_done, self._job, self._on_done, self._on_tick = self._on_done, None, None, None
        self._timer.stop()
        if on_done is not None:
            on_done(outcome)


def _cancel_in(cell: dict[str, Job[Any] | None]) -> None:
    job = cell["job"]
    if job is not None:
        job.cancel()
