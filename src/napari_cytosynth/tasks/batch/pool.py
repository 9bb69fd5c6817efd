"""Several processes that work on items side by side; none of them outlives the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import Cancelled, CytosynthError

from .records import BatchOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .records import BatchItem
    from .worker import Worker

__all__ = ["outcomes_of_pool"]

_STOP_SECONDS = 20.0  # between tiles a process looks whether it is to stop
_POLL_SECONDS = 0.2
_GUARD = (
    "A process for --jobs could not start. In a script, put the call under "
    "“if __name__ == '__main__':”, or use jobs=1."
)
_ENDED = (
    "The process that worked on it ended without a word, most likely because the memory was used "
    "up. Use fewer jobs, or smaller images."
)
_LOST = (
    "The processes for --jobs end while they load the model, most likely because the memory is "
    "used up. Use fewer jobs; what is done stays, and --resume goes on from there."
)
_MOST_LOST = 3


@dataclass(eq=False)
class _Process:
    """One process, and the item that it works on."""

    process: Any
    pipe: Any
    item: int | None = None
    ready: bool = False


def outcomes_of_pool(
    worker: Worker,
    items: Sequence[BatchItem],
    jobs: int,
    report: Callable[[int, str], None],
    begin: Callable[[BatchItem], None] | None = None,
) -> Iterator[tuple[int, BatchOutcome]]:
    """Do items in several processes; yield the number and the outcome of each as it is done.

    A process that is killed fails the item that it worked on, and another takes its place.

    Parameters
    ----------
    worker
        What does them; it is copied into each process, which loads the model once.
    items
        The items.
    jobs
        Number of processes, at least 1. Each has as many threads as the processor has for it.
    report
        Called several times a second with the number of items that are done, and with what
        is going on; it may raise :class:`~napari_cytosynth.errors.Cancelled`.
    begin
        Called with each item when a process is given it. Default: None.

    Raises
    ------
    CytosynthError
        If no process can start.
    """
    pool = _Pool(worker, _threads_each(jobs))
    waiting = list(range(len(items)))[::-1]
    try:
        for _ in range(min(jobs, len(items))):
            pool.start()
        done = 0
        while done < len(items):
            for one in pool.idle():
                if waiting:
                    one.item = waiting.pop()
                    with contextlib.suppress(OSError):  # gone: that is seen below
                        one.pipe.send(items[one.item])
                    if begin is not None:
                        begin(items[one.item])
            for number, result in pool.received():
                if isinstance(result, str):
                    report(done, f"{items[number].title}: {result}")
                    continue
                done += 1
                yield number, result or BatchOutcome(items[number], "failed", _ENDED)
            report(done, "")
    finally:
        pool.close()


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Let what is started ignore Ctrl-C from its first moment; only a main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _threads_each(jobs: int) -> int:
    import torch

    return max(1, torch.get_num_threads() // jobs)


class _Pool:
    """The processes, started anew where one is gone."""

    def __init__(self, worker: Worker, threads: int) -> None:
        self.worker, self.threads = worker, threads
        self.context = multiprocessing.get_context("spawn")
        self.processes: list[_Process] = []
        self.worked = False  # a process has loaded the model: what fails is no missing guard
        self.lost = 0  # one after another that ended before they had loaded the model

    def start(self) -> None:
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.worker, self.threads)
        process = self.context.Process(target=_serve, args=arguments, daemon=True)
        with _without_interrupt():
            process.start()
        theirs.close()
        self.processes.append(_Process(process, ours))

    def idle(self) -> list[_Process]:
        return [one for one in self.processes if one.ready and one.item is None]

    def received(self) -> list[tuple[int, Any]]:
        """Return what arrives soon: number of the item, and its outcome or what goes on.

        None stands for the outcome of an item whose process is gone.
        """
        pipes = {one.pipe: one for one in self.processes}
        found: list[tuple[int, Any]] = []
        for pipe in wait(list(pipes), _POLL_SECONDS):
            one = pipes[pipe]
            try:
                message = one.pipe.recv()
            except (EOFError, OSError):
                found += self._gone(one)
                continue
            if isinstance(message, CytosynthError):
                raise message
            one.ready = self.worked = True
            self.lost = 0
            if message is None or one.item is None:
                continue
            found.append((one.item, message))
            if isinstance(message, BatchOutcome):
                one.item = None
        return found

    def _gone(self, one: _Process) -> list[tuple[int, Any]]:
        one.process.join()
        self.processes.remove(one)
        if not one.ready:
            self.lost += 1
            if not self.worked:
                raise CytosynthError(_GUARD)
            if self.lost >= _MOST_LOST:
                raise CytosynthError(_LOST)
        self.start()
        return [] if one.item is None else [(one.item, None)]

    def close(self) -> None:
        """End all processes: those at work between two tiles, or after a while at once."""
        for one in self.processes:
            with contextlib.suppress(OSError):
                one.pipe.send(None)
        for one in self.processes:
            one.process.join(_STOP_SECONDS if one.ready else 0)
            if one.process.is_alive():
                one.process.terminate()
                one.process.join(_STOP_SECONDS)
            if one.process.is_alive():
                one.process.kill()
                one.process.join()
            one.pipe.close()


# -- in the other process -------------------------------------------------------------------------


def _serve(pipe: Any, worker: Worker, threads: int) -> None:
    """Do the items that arrive, until None does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    try:
        worker.load()
    except CytosynthError as error:
        pipe.send(CytosynthError(str(error)))
        return
    pipe.send(None)
    with contextlib.suppress(Cancelled, EOFError, BrokenPipeError):
        while (item := pipe.recv()) is not None:
            pipe.send(worker.do(item, _Reporter(pipe)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Reporter:
    """Progress that is sent on, and that stops the work once it is asked to."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    def __call__(self, done: int, total: int, message: str, /) -> None:
        if self.pipe.poll():  # nothing but the request to stop comes during the work
            raise Cancelled("stopped")
        self.pipe.send(f"{message} {done}/{total}")
