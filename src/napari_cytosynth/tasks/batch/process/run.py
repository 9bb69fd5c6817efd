"""Runs a batch in a process of its own, which is gone when the run is over, however it ends."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

from .child import GRACE
from .messages import Ended, Failed, Working

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

    from .messages import BatchRequest, Event

__all__ = ["run_in_process"]

_CHILD = "napari_cytosynth.tasks.batch.process.child"
_POLL = 0.05  # s
_LARGEST_REPORT = 20_000  # characters of what a process wrote to its standard error
_GONE = (
    "The process that worked on the files ended without a word, most likely because the memory "
    "was used up. What is done stays. Close other programs, or use fewer processes, and resume."
)

_log = logging.getLogger(__name__)


def run_in_process(
    request: BatchRequest, on_event: Callable[[Event], None], progress: Progress
) -> Ended:
    """Do a batch in another process and wait for its end.

    Parameters
    ----------
    request
        The batch.
    on_event
        Called, in this thread, with everything that happens, but for progress and the end.
    progress
        Called at least twenty times a second with the number of items that are done; raising
        :class:`~napari_cytosynth.errors.Cancelled` from it ends the process within a second.

    Raises
    ------
    CytosynthError
        If the batch could not go on.
    """
    with contextlib.closing(_BatchProcess(request)) as process:
        now = Working(0, 0, "Starting a process")
        while True:
            progress(now.done, now.total, now.text)
            try:
                event = process.events.get(timeout=_POLL)
            except queue.Empty:
                continue
            if isinstance(event, Working):
                now = event
            elif isinstance(event, Ended):
                return event
            elif isinstance(event, Failed):
                process.log()
                raise CytosynthError(event.sentence)
            elif event is None:
                process.log()
                raise CytosynthError(_GONE)
            else:
                on_event(event)


class _BatchProcess:
    """The other process, and a thread that reads what it sends."""

    def __init__(self, request: BatchRequest) -> None:
        self.events: queue.Queue[Any] = queue.Queue()
        self._errors = tempfile.TemporaryFile()
        self._delivered = threading.Event()
        # -P: no module of the folder that napari was started in replaces one of Python's own
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._thread = threading.Thread(target=self._talk, args=(request,), daemon=True)
        self._thread.start()

    def _talk(self, request: BatchRequest) -> None:
        """Send the request, which takes until the other one reads it; then receive."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            pickle.dump(request, stdin, pickle.HIGHEST_PROTOCOL)
            stdin.flush()
            self._delivered.set()
            while True:
                self.events.put(pickle.load(stdout))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.events.put(None)

    def close(self) -> None:
        """End the process: between two tiles, or after a moment at once."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        if self._delivered.is_set():
            with contextlib.suppress(OSError):
                process.stdin.close()  # asks it to stop
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        process.kill()  # what it has begun itself ends with it
        process.wait()
        self._thread.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self._errors.close()

    def log(self) -> None:
        """Write what the process said last to the log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace")[-_LARGEST_REPORT:].strip()
        if text:
            _log.error("In the process of a batch: %s", text)
