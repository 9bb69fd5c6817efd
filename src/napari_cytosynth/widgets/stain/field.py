"""The part of a large image that is in view, stained before the rest; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .job import compute, layers_by_role, run_stainer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.in_view import FieldRequest
    from napari_cytosynth.widgets.common.preview_queue import PreviewQueue

    from .job import StainPreview, StainRunResult

__all__ = ["compute_in_view_first", "preview_field"]

_LOOKS = ("colormap", "contrast_limits", "blending", "visible")
_ONCE = {"views": 1, "samples": 0, "tolerance": None, "keep_samples": False, "inject_dropout": None}


class _NeedsWhole(Exception):
    """The network needs the whole plane for any part of it."""


def compute_in_view_first(
    request: Any,
    progress: Progress,
    queue: PreviewQueue[StainPreview],
    enough: threading.Event,
    stain: Callable[..., Any] | None,
    field: FieldRequest | None,
) -> StainRunResult:
    """Show what is in view of a large image, then run the model on the whole.

    Parameters
    ----------
    request, progress, queue, enough, stain
        See :func:`~napari_cytosynth.widgets.stain.job.compute`.
    field
        What is in view; None where the whole comes soon enough.
    """
    if field is not None:
        progress(0, 0, "Loading the model")
        preview_field(request, field, run_stainer(stain), progress)
    return compute(request, progress, queue, enough, stain)


def preview_field(
    request: Any, field: FieldRequest, stain: Callable[..., Any], progress: Progress
) -> None:
    """Predict the stains of what is in view once, and show them.

    Nothing is shown inside of a region, of resampled images, of stacks (of these, the run itself
    begins with the plane in view), and where the network needs a plane as a whole.

    Parameters
    ----------
    request
        The run, a :class:`~napari_cytosynth.widgets.stain.job.StainRequest`.
    field
        What is in view.
    stain
        Function that runs the network.
    progress
        Called between tiles.
    """
    if field.plane is not None or request.region is not None or request.resample:
        return

    def within(done: int, total: int, _message: str, /) -> None:
        progress(done, total, "What is in view first")

    given = request.arguments() | _ONCE | {"region": _rectangle(field), "at_border": "keep"}
    try:
        found = stain(request.image, request.model, on_start=_check, progress=within, **given)
    except (_NeedsWhole, InputError):  # the run itself says what is wrong
        return
    field.show(_layers(found, field))


def _check(staining: Any) -> None:
    sampler = getattr(staining.run, "sampler", None)
    if sampler is not None and sampler.needs_whole_plane:
        raise _NeedsWhole


def _rectangle(field: FieldRequest) -> Any:
    """Return the outline of a field around the centres of its pixels."""
    (top, bottom), (left, right) = (
        (one.start - 0.5, one.stop - 0.5) for one in (field.rows, field.columns)
    )
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])


def _layers(staining: Any, field: FieldRequest) -> list[tuple[Any, dict[str, Any], str]]:
    shown = []
    for (stain, role), (data, attributes, kind) in layers_by_role(staining).items():
        if role == "mean" and data.ndim == 2:
            looks = {name: attributes[name] for name in _LOOKS if name in attributes}
            shown.append((data[field.rows, field.columns].copy(), looks | {"name": stain}, kind))
    return shown
