"""Views of a plane: a network sees its flips and rotations, and the results are turned back.

The mean over the views is a little better than a single prediction, and their spread shows
where the network contradicts itself (test-time augmentation; Wang et al. 2019, "Aleatoric
uncertainty estimation with test-time augmentation", doi 10.1016/j.neucom.2019.01.103).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress

    Floats = NDArray[np.float32]
    Predict = Callable[[Any, Progress], Floats]
    OnView = Callable[[int, Floats, Floats | None], None]

__all__ = ["MOST_VIEWS", "ViewStatistics", "iter_views", "predict_views", "turned", "turned_back"]

MOST_VIEWS = 8
# quarter turns and a flip along X; the first four keep the shape of a plane
_VIEWS = (
    (0, False),
    (2, False),
    (0, True),
    (2, True),
    (1, False),
    (3, False),
    (1, True),
    (3, True),
)


def _check(view: int) -> tuple[int, bool]:
    if not 0 <= view < MOST_VIEWS:
        raise InputError(f"There are {MOST_VIEWS} views of a plane, counted from 0; not {view}.")
    return _VIEWS[view]


def turned(planes: NDArray[Any], view: int) -> NDArray[Any]:
    """Return planes (…, Y, X) as the network sees them in one of the eight views; 0: as is."""
    turns, flip = _check(view)
    seen = np.rot90(planes, turns, (-2, -1))
    return np.flip(seen, -1) if flip else seen


def turned_back(planes: NDArray[Any], view: int) -> NDArray[Any]:
    """Undo :func:`turned`."""
    turns, flip = _check(view)
    seen = np.flip(planes, -1) if flip else planes
    return np.rot90(seen, -turns, (-2, -1))


@dataclass(frozen=True, eq=False)
class ViewStatistics:
    """Mean and spread over the views of one plane.

    Attributes
    ----------
    mean
        float32 (K, Y, X), in units of the network's output.
    std
        float32 (K, Y, X), their standard deviation (divided by count - 1); None of a single
        view.
    count
        Number of views.
    """

    mean: Floats
    std: Floats | None
    count: int


def iter_views(predict: Predict, plane: Any, views: int, progress: Progress) -> Iterator[Floats]:
    """Yield the prediction (K, Y, X) from each view, turned back.

    Parameters
    ----------
    predict
        Returns the prediction for a plane (C, Y, X), and reports its own progress.
    plane
        (C, Y, X) of scaled pixels.
    views
        From 1 to 8.
    progress
        Called between tiles; may raise Cancelled.
    """
    plane = np.asarray(plane)
    for view in range(views):

        def report(done: int, total: int, message: str, /, view: int = view) -> None:
            progress(view * total + done, views * total, f"View {view + 1} of {views}")

        seen = predict(np.ascontiguousarray(turned(plane, view)), report)
        yield np.ascontiguousarray(turned_back(seen, view))


def predict_views(
    predict: Predict,
    plane: Any,
    views: int,
    *,
    on_view: OnView | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> ViewStatistics:
    """Predict from several views, and return the mean and the spread.

    Parameters
    ----------
    predict, plane, views
        As for :func:`iter_views`.
    on_view
        Called after each view with their number so far, their mean and their standard
        deviation (None of one), arrays of its own. Default: None.
    enough
        Polled after each view; once it is true, no more are made. Default: None.
    progress
        Called between tiles; may raise Cancelled. Default: None.
    """
    import torch

    from .dropout.running_statistics import RunningStatistics

    statistics: RunningStatistics | None = None
    for seen in iter_views(predict, plane, views, progress or silent):
        statistics = statistics or RunningStatistics(seen.shape, torch.device("cpu"))
        # mirrored, a side of one pixel keeps a negative stride, which torch refuses
        statistics.add(torch.from_numpy(seen.copy()))
        if on_view is not None:
            on_view(statistics.count, statistics.mean, statistics.std)
        if enough is not None and enough():
            break
    assert statistics is not None
    return ViewStatistics(statistics.mean, statistics.std, statistics.count)
