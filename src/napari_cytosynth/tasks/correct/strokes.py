"""Lines and outlines drawn by hand: what a line cuts, and to what an outline snaps."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.draw import line as pixels_between
from skimage.draw import polygon2mask

from napari_cytosynth.tasks.common.region import bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Point = tuple[float, float]

__all__ = ["inside_outline", "on_line", "parts_beside", "snap"]

_LEVELS = 32
_LEAST_OVERLAP = 0.6  # IoU below which a contour of the probability is another object's
_REACH = 0.25  # of the outline's size, by which a contour may lie outside it
_TINY = 100  # px of an object that is cut between its pixels, if no line of pixels parts it
_FINE = 5  # parts of a pixel's side
_FOUR = ndimage.generate_binary_structure(2, 1)


def on_line(
    stroke: Sequence[Point], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return rows and columns of the pixels (of a plane of a shape) that a line runs through."""
    points = np.round(np.asarray(stroke, float)).astype(int)
    pieces = [pixels_between(*start, *end) for start, end in pairwise(points)]  # type: ignore[no-untyped-call]
    rows, columns = (np.concatenate(part) for part in zip(*pieces, strict=True))
    within = (rows >= 0) & (columns >= 0) & (rows < shape[0]) & (columns < shape[1])
    return rows[within], columns[within]


def parts_beside(
    inside: npt.NDArray[np.bool_], stroke: Sequence[Point]
) -> npt.NDArray[np.int32] | None:
    """Return the two parts of an object beside a line, as 1 and 2 for all pixels of its window.

    A line that ends within the object is drawn on to its outline. The pixels of the line, and
    all others, count to the nearest part. Of an object in several pieces, one is parted.

    Parameters
    ----------
    inside
        (Y, X), the object.
    stroke
        Vertices (y, x) of the line, in px of the window.

    Returns
    -------
    ndarray or None
        (Y, X); None where the line does not part the object.
    """
    parts = _parts(inside, stroke)
    if parts is None and 2 <= np.count_nonzero(inside) <= _TINY:
        return _finer_parts(inside, stroke)
    return parts


def _parts(inside: npt.NDArray[np.bool_], stroke: Sequence[Point]) -> npt.NDArray[np.int32] | None:
    pieces, _ = ndimage.label(inside, np.ones((3, 3)))
    line = on_line(_drawn_on(inside, stroke), (inside.shape[0], inside.shape[1]))
    under = pieces[line]
    if not under.any():
        return None
    # of an object in pieces, such as merged ones that lie apart, the piece under the line
    beside = pieces == np.bincount(under[under > 0]).argmax()
    beside[line] = False
    found, count = ndimage.label(beside, _FOUR)
    if count < 2:
        return None
    sizes = np.bincount(found.ravel())[1:]
    first, second = np.argsort(sizes)[::-1][:2] + 1
    parts = np.select([found == first, found == second], [1, 2]).astype(np.int32)
    nearest = ndimage.distance_transform_edt(
        parts == 0, return_distances=False, return_indices=True
    )
    return np.asarray(parts[tuple(nearest)])


def _finer_parts(
    inside: npt.NDArray[np.bool_], stroke: Sequence[Point]
) -> npt.NDArray[np.int32] | None:
    """Return the parts of an object of few pixels, which a line of whole pixels would cover."""
    box = bounding_box(inside)
    assert box is not None
    own, top, left = inside[box], box[0].start, box[1].start
    fine = np.kron(own, np.ones((_FINE, _FINE), bool))
    points = [((y - top + 0.5) * _FINE - 0.5, (x - left + 0.5) * _FINE - 0.5) for y, x in stroke]
    found = _parts(fine, points)
    if found is None:
        return None
    mean = found.reshape(own.shape[0], _FINE, own.shape[1], _FINE).mean(axis=(1, 3))
    parts = np.where(mean > 1.5, 2, 1).astype(np.int32)
    if len(np.unique(parts[own])) < 2:
        return None
    around = [(one.start, size - one.stop) for one, size in zip(box, inside.shape, strict=True)]
    return np.pad(parts, around, mode="edge")


def _drawn_on(inside: npt.NDArray[np.bool_], stroke: Sequence[Point]) -> list[Point]:
    """Return a line whose ends are drawn on, straight, until they are out of the object."""
    first, last = stroke[0], stroke[-1]
    return [_way_out(inside, last, first), *stroke, _way_out(inside, first, last)]


def _way_out(inside: npt.NDArray[np.bool_], begin: Point, end: Point) -> Point:
    """Return where a line from `begin` over `end` leaves the object."""
    along = np.subtract(end, begin)
    length = float(np.hypot(*along))
    point = np.asarray(end, float)
    while length and _holds(inside, point):
        point = point + along / length
    return float(point[0]), float(point[1])


def _holds(inside: npt.NDArray[np.bool_], point: npt.NDArray[np.float64]) -> bool:
    y, x = np.round(point).astype(int)
    return 0 <= y < inside.shape[0] and 0 <= x < inside.shape[1] and bool(inside[y, x])


def inside_outline(outline: Sequence[Point], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return which pixels (of a plane of a shape) lie in an outline of vertices (y, x)."""
    return np.asarray(
        polygon2mask(shape, np.asarray(outline, float))  # type: ignore[no-untyped-call]
    )


def snap(
    drawn: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.floating],
    free: npt.NDArray[np.bool_],
    gathered: npt.NDArray[np.integer] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return the contour that fits a drawn object best, or what was drawn.

    Contours are those of the probability, of 32 levels, and, of models with flows, those among
    the pixels whose flows end where most of what was drawn ends. The one of the highest IoU with
    what was drawn counts, if that is at least 0.6: a contour that differs more is not what the
    user saw.

    Parameters
    ----------
    drawn
        (Y, X), what was drawn.
    probability
        (Y, X), in [0, 1].
    free
        (Y, X), where no other object is.
    gathered
        (Y, X), a number for each place where flows end, and 0. Default: None, there are no flows.
    """
    drawn = drawn & free
    if not drawn.any():
        return drawn
    reach = max(2, round(_REACH * np.sqrt(drawn.sum())))
    near = free & ndimage.binary_dilation(drawn, iterations=reach)
    best, overlap = _best_contour(drawn, probability, near, drawn, _LEAST_OVERLAP)
    if gathered is not None:
        own = near & _ends_inside(gathered, drawn, np.nan_to_num(probability))
        best, _ = _best_contour(drawn, probability, own, best, overlap)
    return best


def _best_contour(
    drawn: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.floating],
    near: npt.NDArray[np.bool_],
    best: npt.NDArray[np.bool_],
    overlap: float,
) -> tuple[npt.NDArray[np.bool_], float]:
    """Return the contour within `near` that fits better than the best so far, and its IoU."""
    if not near.any():
        return best, overlap
    values = np.where(near, np.nan_to_num(probability), -1.0)
    for level in np.unique(np.quantile(values[near], np.linspace(0.02, 0.98, _LEVELS))):
        contour = _largest_in(values >= level, drawn) & near
        found = (contour & drawn).sum() / max((contour | drawn).sum(), 1)
        if found > overlap:
            best, overlap = contour, found
    return best, overlap


def _ends_inside(
    gathered: npt.NDArray[np.integer],
    drawn: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.floating],
) -> npt.NDArray[np.bool_]:
    """Return the pixels whose flows end where most of what ends there is drawn.

    Pixels count by their probability: flows of the background end in objects, too.
    """
    _, number = np.unique(gathered, return_inverse=True)
    number = number.reshape(gathered.shape)
    count = int(number.max(initial=0)) + 1
    inside = np.bincount(number[drawn], probability[drawn], count)
    own = 2 * inside > np.bincount(number.ravel(), probability.ravel(), count)
    return np.asarray(own[number] & (gathered > 0))


def _largest_in(mask: npt.NDArray[np.bool_], drawn: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the connected part of a mask that covers most of what was drawn, holes filled."""
    found, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    share = np.bincount(found[drawn], minlength=count + 1)
    share[0] = 0
    return np.asarray(ndimage.binary_fill_holes(found == int(share.argmax())))
