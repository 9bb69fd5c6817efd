"""The side that begins another process, waits for it, and ends it."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cytosynth.errors import CytosynthError

from .child import GRACE
from .messages import Failed, Final, Working

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

__all__ = ["run_child"]

_POLL = 0.05  # s
_LARGEST_REPORT = 20_000  # characters of what a process wrote to its standard error

T = TypeVar("T", bound=Final)

_log = logging.getLogger(__name__)


def run_child(
    module: str,
    request: Any,
    result: type[T],
    on_event: Callable[[Any], None],
    progress: Progress,
    *,
    gone: str,
    enough: threading.Event | None = None,
) -> T:
    """Do a request in another process, which is gone afterwards, and wait for its end.

    Parameters
    ----------
    module
        Module that serves it, started by ``python -P -m``.
    request
        The request, which can be pickled.
    result
        Class of what the process sends last.
    on_event
        Called, in this thread, with everything that happens, but for progress and the end.
    progress
        Called at least twenty times a second; raising
        :class:`~napari_cytosynth.errors.Cancelled` from it ends the process within a second.
    gone
        Sentence for a process that ended without a word.
    enough
        Once it is set, the process is asked to end early with what it has. Default: None.

    Raises
    ------
    CytosynthError
        If the work could not go on.
    """
    with contextlib.closing(_Child(module, request)) as child:
        now, asked = Working(0, 0, "Starting a process"), False
        while True:
            progress(now.done, now.total, now.text)
            if enough is not None and enough.is_set() and not asked:
                asked = child.ask_to_end()
            try:
                event = child.events.get(timeout=_POLL)
            except queue.Empty:
                continue
            if isinstance(event, Working):
                now = event
            elif isinstance(event, result):
                return event
            elif isinstance(event, Failed):
                child.log()
                raise CytosynthError(event.sentence)
            elif event is None:
                child.log()
                raise CytosynthError(gone)
            else:
                on_event(event)


class _Child:
    """The other process, and a thread that reads what it sends."""

    def __init__(self, module: str, request: Any) -> None:
        self.events: queue.Queue[Any] = queue.Queue()
        self._errors = tempfile.TemporaryFile()
        self._delivered = threading.Event()
        # -P: no module of the folder that napari was started in replaces one of Python's own
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._thread = threading.Thread(target=self._talk, args=(request,), daemon=True)
        self._thread.start()

    def _talk(self, request: Any) -> None:
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

    def ask_to_end(self) -> bool:
        """Ask for an early end; return whether the process can hear it already."""
        stdin = self._process.stdin
        assert stdin is not None
        if not self._delivered.is_set():
            return False
        with contextlib.suppress(OSError):  # it is gone, which is told by its other pipe
            stdin.write(b"e")
            stdin.flush()
        return True

    def close(self) -> None:
        """End the process: between two steps, or after a moment at once."""
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
            _log.error("In another process: %s", text)
