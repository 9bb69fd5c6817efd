"""Cancelling between the layers of a network, not only between its tiles.

A tile of a wide network takes seconds on a small computer, and so may the measurements before
the first. Every operation of torch in the thread of a run passes through here, and a few times
a second the run's progress callable is asked whether to go on.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_cytosynth.progress import Progress

__all__ = ["cancellable", "import_diffusers", "wait_for"]

INTERVAL = 0.2  # s between two questions


class _Watched:
    """A progress callable that repeats its last report when asked."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = (0, 1, "Preparing the model")
        self._next = time.monotonic() + INTERVAL
        self._busy = False
        self.raised: BaseException | None = None

    def __call__(self, done: int, total: int, message: str, /) -> None:
        self._last = (done, total, message)
        self._busy = True
        try:
            self._progress(done, total, message)
        except BaseException as error:
            self.raised = error
            raise
        finally:
            self._busy = False
            self._next = time.monotonic() + INTERVAL

    def ask(self) -> None:
        """Repeat the last report if that was a while ago; it may raise Cancelled."""
        if not self._busy and time.monotonic() >= self._next:
            self(*self._last)


class _BetweenOperations(TorchFunctionMode):
    """Asks before each operation of torch in this thread."""

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__()
        self._ask = ask

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._ask()
        return func(*args, **(kwargs or {}))


@contextmanager
def cancellable(progress: Progress) -> Iterator[Progress]:
    """Let a progress callable cancel between the operations of a network.

    Parameters
    ----------
    progress
        May raise :class:`~napari_cytosynth.errors.Cancelled`.

    Yields
    ------
    Progress
        To be used in its place inside the context.
    """
    watched = _Watched(progress)
    try:
        with _BetweenOperations(watched.ask):
            yield watched
    except Exception as error:
        # torch wraps what is raised while it copies weights
        if watched.raised is not None and watched.raised is not error:
            raise watched.raised from None
        raise


def wait_for(work: Callable[[], object], progress: Progress, message: str) -> None:
    """Do something in a thread of its own, and ask meanwhile whether to go on.

    Parameters
    ----------
    work
        Cannot be interrupted, and does no harm where it goes on after a cancelled run.
    progress
        Called a few times a second; may raise :class:`~napari_cytosynth.errors.Cancelled`.
    message
        Message of the reports.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="cytosynth-wait", daemon=True)
    thread.start()
    while thread.is_alive():
        progress(0, 1, message)
        thread.join(INTERVAL)
    if failed:
        raise failed[0]


def import_diffusers(progress: Progress) -> None:
    """Import diffusers, which takes seconds the first time, so that a run can be cancelled."""
    if "diffusers.schedulers.scheduling_dpmsolver_multistep" not in sys.modules:
        wait_for(_import_diffusers, progress, "Loading libraries")


def _import_diffusers() -> None:
    import diffusers.schedulers.scheduling_dpmsolver_multistep  # noqa: F401
