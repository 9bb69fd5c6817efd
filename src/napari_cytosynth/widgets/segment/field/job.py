"""The part of a large image that is in view, segmented before the rest; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress

__all__ = ["FieldRequest", "preview_field"]


@dataclass(frozen=True, eq=False)
class FieldRequest:
    """What is in view when a run begins.

    Attributes
    ----------
    rows, columns
        Of the image, in pixels of its finest level.
    show
        Takes the labels (y, x) of the field, in the thread of the job.
    """

    rows: slice
    columns: slice
    show: Callable[[Any], None]


def preview_field(request: Any, field: FieldRequest, model: Any, progress: Progress) -> None:
    """Segment what is in view and show it, where a part can be segmented like the whole.

    Where it cannot (stacks, a local contrast, splitting by shape, a resampled image, a region),
    nothing is shown.

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
    """
    from napari_cytosynth.tasks.segment.blocks.field import segment_field
    from napari_cytosynth.tasks.segment.blocks.run import prepare_run

    if request.resample or request.diameter or request.region is not None:
        return
    names = ("threshold", "min_size", "split_touching", "fill_holes", "min_confidence")
    try:
        run = prepare_run(
            request.image,
            model,
            {name: getattr(request, name) for name in names},
            axes=request.axes,
            channels=request.channels,
            pixel_size=request.pixel_size,
            device=request.device,
        )
    except InputError:  # the run itself says what is wrong, or does what blocks cannot
        return

    def within(done: int, total: int, _message: str, /) -> None:
        progress(done, total, "What is in view first")

    field.show(segment_field(run, (field.rows, field.columns), within))
