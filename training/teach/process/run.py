"""Runs a fine-tuning in a process of its own, which is gone when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.tasks.common.process.parent import run_child

from .messages import Tuned

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

    from .messages import Event, TuningRequest

__all__ = ["tune_in_process"]

_CHILD = "napari_cytosynth.training.teach.process.child"
_GONE = (
    "The process that trained ended without a word, most likely because the memory was used up. "
    "Nothing of the last whole epoch is lost: close other programs, and press Resume."
)


def tune_in_process(
    request: TuningRequest,
    on_event: Callable[[Event], None],
    progress: Progress,
    enough: threading.Event | None = None,
) -> Tuned:
    """Do a fine-tuning in another process and wait for its end.

    Parameters
    ----------
    request
        The fine-tuning.
    on_event
        Called, in this thread, with losses and scores.
    progress
        Called at least twenty times a second with what is done of the steps or of the seconds;
        raising :class:`~napari_cytosynth.errors.Cancelled` from it ends the process within a
        second, and a later call with the same folder goes on from the last whole epoch.
    enough
        Once it is set, the training ends with the best that it has. Default: None.

    Raises
    ------
    CytosynthError
        If the training could not go on.
    """
    return run_child(_CHILD, request, Tuned, on_event, progress, gone=_GONE, enough=enough)
