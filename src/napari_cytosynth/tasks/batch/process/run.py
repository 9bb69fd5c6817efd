"""Runs a batch in a process of its own, which is gone when the run is over, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.tasks.common.process.parent import run_child

from .messages import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

    from .messages import BatchRequest, Event

__all__ = ["run_in_process"]

_CHILD = "napari_cytosynth.tasks.batch.process.child"
_GONE = (
    "The process that worked on the files ended without a word, most likely because the memory "
    "was used up. What is done stays. Close other programs, or use fewer processes, and resume."
)


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
    return run_child(_CHILD, request, Ended, on_event, progress, gone=_GONE)
