"""The part of a large image that is in view, segmented before the rest; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.in_view import FieldRequest

__all__ = ["preview_field"]

_OPTIONS = ("threshold", "min_size", "split_touching", "fill_holes", "min_confidence")
_LOOK = {"opacity": 0.5}


def preview_field(
    request: Any,
    field: FieldRequest,
    model: Any,
    progress: Progress,
    segment: Callable[..., Any],
) -> None:
    """Segment what is in view and show it, where a part can be segmented like the whole.

    Where it cannot (a local contrast or splitting by shape in a single plane, a resampled image, a
    region), nothing is shown.

    Parameters
    ----------
    request
        The run, a :class:`~napari_cytosynth.widgets.segment.job.SegmentRequest`.
    field
        What is in view.
    model
        The loaded model.
    progress
        Called between tiles.
    segment
        :func:`napari_cytosynth.segment`, for one plane of several.
    """
    if request.resample or request.diameter or request.region is not None:
        return

    def within(done: int, total: int, _message: str, /) -> None:
        progress(done, total, "What is in view first")

    find = _in_field if field.plane is None else _in_plane
    labels = find(request, field, model, within, segment)
    if labels is not None:
        field.show([(labels, _LOOK, "labels")])


def _common(request: Any) -> dict[str, Any]:
    names = ("axes", "channels", "pixel_size", "device")
    return {name: getattr(request, name) for name in names}


def _in_field(
    request: Any, field: FieldRequest, model: Any, within: Progress, _segment: Any
) -> Any:
    from napari_cytosynth.tasks.segment.blocks.field import segment_field
    from napari_cytosynth.tasks.segment.blocks.run import prepare_run

    options = {name: getattr(request, name) for name in _OPTIONS}
    try:
        run = prepare_run(request.image, model, options, **_common(request))
    except InputError:  # the run itself says what is wrong, or does what blocks cannot
        return None
    return segment_field(run, (field.rows, field.columns), within)


def _in_plane(
    request: Any, field: FieldRequest, model: Any, within: Progress, segment: Callable[..., Any]
) -> Any:
    if request.planes is not None:  # it is the whole run
        return None
    options = {name: getattr(request, name) for name in (*_OPTIONS, "drop_border")}
    if request.link_planes and "Z" in (request.axes or ""):
        options["min_size"] = 0  # the size is that of the whole object in the stack
    try:
        found = segment(
            request.image, model, planes=field.plane, **options, **_common(request), progress=within
        )
    except InputError:
        return None
    return found.labels
