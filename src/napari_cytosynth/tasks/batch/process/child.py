"""The process of a batch: reads a request, does it, and sends what happens.

It stops when its standard input ends: that of a process which began it and is gone ends too,
however it went. ``python -P -m`` of this module is how it is started.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.outcome import explain

from .messages import Ended, Failed, ItemFinished, Planned, Started, Working

if TYPE_CHECKING:
    from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome, BatchPlan

    from .messages import BatchRequest, Event

__all__ = ["GRACE", "main"]

GRACE = 0.6
"""Seconds in which a run that is to stop may end between two tiles; then it is ended at once."""
_STOPPED = 130
_LEAST_INTERVAL = 0.05  # s between two reports of progress
_NICENESS = 5  # the window that is looked at comes first


class _Sender:
    """Sends events, as the callbacks of a batch, and stops the batch when it is asked to."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._rows: dict[tuple[str, Any], int] = {}
        self._last = 0.0
        self.stop = threading.Event()

    def send(self, event: Event) -> None:
        pickle.dump(event, self._pipe, pickle.HIGHEST_PROTOCOL)
        self._pipe.flush()

    def plan(self, plan: BatchPlan) -> None:
        self._rows = {_key(item): row for row, item in enumerate(plan.items)}
        self.send(Planned(plan))

    def start(self, item: BatchItem) -> None:
        self.send(Started(self._rows[_key(item)]))

    def outcome(self, outcome: BatchOutcome) -> None:
        row = self._rows[_key(outcome.item)]
        self.send(ItemFinished(row, replace(outcome, thumbnail=b"")))

    def progress(self, done: int, total: int, text: str, /) -> None:
        if self.stop.is_set():
            raise Cancelled("stopped")
        now = time.monotonic()
        if now - self._last >= _LEAST_INTERVAL:
            self._last = now
            self.send(Working(done, total, text))


def _key(item: BatchItem) -> tuple[str, Any]:
    return str(item.path), item.series


def _watch(pipe: BinaryIO, stop: threading.Event) -> None:
    """Stop the run once the pipe ends; if it does not stop soon, end the process."""
    with contextlib.suppress(OSError, ValueError):
        pipe.read(1)
    stop.set()
    time.sleep(GRACE)
    os._exit(_STOPPED)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes in and out; whatever prints goes to the standard error from now on."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def _do(request: BatchRequest, sender: _Sender) -> None:
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
    """Do the request that is on the standard input; return 0, or 1 after an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the first one decides
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    requests, answers = _pipes()
    sender = _Sender(answers)
    try:
        request = pickle.load(requests)
    except EOFError:  # whoever began it is gone already
        return 1
    threading.Thread(target=_watch, args=(requests, sender.stop), daemon=True).start()
    try:
        _do(request, sender)
    except (Cancelled, BrokenPipeError):
        return _STOPPED
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            import traceback

            traceback.print_exc()  # the standard error goes to the log
            sentence = (
                f"Something went wrong that should not have ({type(error).__name__}: "
                f"{str(error)[:300]}). Please report it; the full report is in the log."
            )
        with contextlib.suppress(OSError):
            sender.send(Failed(sentence))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
