"""What a gesture on the labels means: which objects it is about, and whether it can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .records import KINDS, Correction, Mask, Target, part_of, window_of
from .strokes import inside_outline, on_line, parts_beside, snap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["make_correction"]

Point = tuple[float, float]

_MARGIN = 0.5  # of an outline's size, around it
_NEEDS = {
    "merge": (2, "Merging needs two points, in two objects."),
    "cut": (2, "Draw a line across an object to cut it."),
    "delete": (1, "Deleting needs a point in an object."),
    "accept": (1, "Accepting needs a point in an object."),
    "paint": (3, "Draw around the missing object to paint it."),
}


def make_correction(
    kind: str,
    points: Sequence[Point],
    labels: npt.NDArray[np.integer],
    probability: npt.NDArray[np.floating],
    plane: tuple[int, ...] = (),
    *,
    gathered: npt.NDArray[np.integer] | None = None,
    region: npt.NDArray[np.bool_] | None = None,
) -> Correction:
    """Return the correction that points in a plane of labels ask for.

    Parameters
    ----------
    kind
        ``merge`` (a point in each object), ``cut`` (vertices of a line across an object),
        ``delete`` and ``accept`` (a point in it), ``paint`` (vertices of an outline, which
        snaps to the flows or to a contour of the probability where one fits).
    points
        (y, x) in px of the plane.
    labels, probability
        (Y, X), as they are shown.
    plane
        Index of the plane into the axes before Y and X. Default: there are none.
    gathered
        (Y, X), a number for each place where flows end, and 0. Default: None, there are no flows.
    region
        (Y, X), where objects can be. Default: None, everywhere.

    Raises
    ------
    InputError
        If there are too few points, no object is there, both points are in the same, or the
        line cuts none.
    """
    if kind not in _NEEDS:
        raise InputError(f"There is no correction “{kind}”; there are {', '.join(KINDS)}.")
    least, sentence = _NEEDS[kind]
    if len(points) < least:
        raise InputError(sentence)
    if np.ndim(points) != 2 or np.shape(points)[1] != 2 or not np.isfinite(points).all():
        raise InputError("A point is two numbers: the row and the column of a pixel.")
    if kind == "cut":
        return _cut(points, labels, probability, plane)
    if kind == "paint":
        free = labels == 0 if region is None else (labels == 0) & region
        return _painted(points, free, probability, gathered, plane)
    found = [_label_at(labels, point) for point in points]
    if kind == "merge" and len(set(found)) < 2:
        raise InputError("Both points lie in the same object.")
    targets = tuple(_target(labels == label, probability) for label in dict.fromkeys(found))
    return Correction(kind, plane, targets)


def _label_at(labels: npt.NDArray[np.integer], point: Point) -> int:
    y, x = (round(float(value)) for value in point)
    within = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    if not within or not labels[y, x]:
        raise InputError("There is no object at this point.")
    return int(labels[y, x])


def _target(inside: npt.NDArray[np.bool_], probability: npt.NDArray[np.floating]) -> Target:
    window = window_of(inside)
    where = part_of(window)
    values = np.where(inside[where], np.nan_to_num(probability[where]), -1)
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    anchor = int(y) + window[0], int(x) + window[1]
    return Target(anchor, window, int(inside[where].sum()))


def _cut(
    points: Sequence[Point],
    labels: npt.NDArray[np.integer],
    probability: npt.NDArray[np.floating],
    plane: tuple[int, ...],
) -> Correction:
    """Cut the object that most of the line runs through."""
    shape = labels.shape[0], labels.shape[1]
    under = labels[on_line(points, shape)]
    under = under[under > 0]
    if not under.size:
        raise InputError("The line runs through no object.")
    inside = labels == np.bincount(under).argmax()
    stroke = tuple((float(y), float(x)) for y, x in points)
    window = window_of(inside)
    where = part_of(window)
    parts = parts_beside(inside[where], [(y - window[0], x - window[1]) for y, x in stroke])
    if parts is None:
        raise InputError("The line does not cut the object in two: draw it across the object.")
    targets = []
    for part in (1, 2):
        one = np.zeros_like(inside)
        one[where] = inside[where] & (parts == part)
        targets.append(_target(one, probability))
    return Correction("cut", plane, tuple(targets), stroke)


def _painted(
    points: Sequence[Point],
    free: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.floating],
    gathered: npt.NDArray[np.integer] | None,
    plane: tuple[int, ...],
) -> Correction:
    drawn = inside_outline(points, (free.shape[0], free.shape[1]))
    if not (drawn & free).any():
        raise InputError(
            "The outline encloses no free pixel: draw it around a missing object, inside of the "
            "region if there is one."
        )
    top, left, bottom, right = window_of(drawn)
    margin = 3 + int(_MARGIN * max(bottom - top, right - left))
    where = np.s_[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin]
    painted = np.zeros(free.shape, bool)
    ends = None if gathered is None else gathered[where]
    painted[where] = snap(drawn[where], probability[where], free[where], ends)
    return Correction("paint", plane, (), (), Mask.of(painted))
