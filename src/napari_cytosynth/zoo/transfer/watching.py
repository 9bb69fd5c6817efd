"""Work for the network in a thread of its own, so that Cancel never waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

__all__ = ["watch"]

T = TypeVar("T")

_POLL_SECONDS = 0.1


def watch(
    work: Callable[[], T],
    counts: Callable[[], tuple[int, int]],
    stop: threading.Event,
    progress: Progress,
    message: str,
) -> T:
    """Do something in another thread, and call `progress` ten times a second meanwhile.

    Parameters
    ----------
    work
        What is done. It should end soon after `stop` is set.
    counts
        Tells how much is done, and of how much.
    stop
        Set when this function ends, however it does.
    progress
        Never called with the total, which is left to the caller: all is in place only then. If
        it raises, this returns at once, and the thread ends by itself.
    message
        Of the progress.

    Raises
    ------
    BaseException
        What `work` raised.
    """
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=message, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            done, total = counts()
            total = max(total, 1)
            progress(min(done, total - 1), total, message)
    finally:
        stop.set()
    if errors:
        raise errors[0]
    return found[0]
