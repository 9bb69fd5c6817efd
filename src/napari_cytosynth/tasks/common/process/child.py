"""The side of the other process: reads a request, does it, and sends what happens.

It stops when its standard input ends: that of a process which began it and is gone ends too,
however it went.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.outcome import explain

from .messages import Failed, Working

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GRACE", "Sender", "serve"]

GRACE = 0.6
"""Seconds in which work that is to stop may end by itself; then its process is ended at once."""
_STOPPED = 130
_LEAST_INTERVAL = 0.05  # s between two reports of progress
_NICENESS = 5  # the window that is looked at comes first


class Sender:
    """Sends events, and stops the work when it is asked to.

    Attributes
    ----------
    stop
        Set once the work is to stop, and nobody waits for its result.
    enough
        Set once the work is to end early, with what it has.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._last = 0.0
        self.stop, self.enough = threading.Event(), threading.Event()

    def send(self, event: Any) -> None:
        """Send an event at once."""
        pickle.dump(event, self._pipe, pickle.HIGHEST_PROTOCOL)
        self._pipe.flush()

    def progress(self, done: int, total: int, text: str, /) -> None:
        """Send what goes on, not too often; raise `Cancelled` once the work is to stop."""
        if self.stop.is_set():
            raise Cancelled("stopped")
        now = time.monotonic()
        if now - self._last >= _LEAST_INTERVAL:
            self._last = now
            self.send(Working(done, total, text))


SenderType = TypeVar("SenderType", bound=Sender)


def _watch(pipe: BinaryIO, sender: Sender) -> None:
    """Stop the work once the pipe ends; if it does not stop soon, end the process."""
    with contextlib.suppress(OSError, ValueError):
        while pipe.read(1):
            sender.enough.set()
    sender.stop.set()
    time.sleep(GRACE)
    os._exit(_STOPPED)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes in and out; whatever prints goes to the standard error from now on."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def _sentence(error: Exception, missing: str | None) -> str:
    sentence = explain(error, missing)
    if sentence is not None:
        return sentence
    import traceback

    traceback.print_exc()  # the standard error goes to the log
    return (
        f"Something went wrong that should not have ({type(error).__name__}: "
        f"{str(error)[:300]}). Please report it; the full report is in the log."
    )


def serve(
    do: Callable[[Any, SenderType], None],
    sender_type: type[SenderType],
    missing: str | None = None,
) -> int:
    """Do the request that is on the standard input.

    Parameters
    ----------
    do
        Does a request, and sends what happens.
    sender_type
        Kind of sender that it needs.
    missing
        Sentence for a package that is not installed. Default: None, one that names it.

    Returns
    -------
    int
        0, 1 after an error, 130 if it was stopped.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the first one decides
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    requests, answers = _pipes()
    sender = sender_type(answers)
    try:
        request = pickle.load(requests)
    except EOFError:  # whoever began it is gone already
        return 1
    threading.Thread(target=_watch, args=(requests, sender), daemon=True).start()
    try:
        do(request, sender)
    except (Cancelled, BrokenPipeError):
        return _STOPPED
    except Exception as error:
        with contextlib.suppress(OSError):
            sender.send(Failed(_sentence(error, missing)))
        return 1
    return 0
