"""Pixels whose centres lie in a polygon or on its outline, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

__all__ = ["fill_polygon"]

_ROWS = 512  # filled at a time: counts take two bytes a pixel
_ROUNDING = 1e-9  # px


def fill_polygon(mask: Mask, rings: Sequence[Floats], corner: tuple[int, int] = (0, 0)) -> None:
    """Set the pixels of a part of a plane whose centres lie in a polygon, or on its outline.

    By the even-odd rule over all rings, as ImageJ and QuPath fill: rings within others are holes.
    In contrast to `skimage.draw.polygon`, which sets the same pixels, its time does not grow with
    pixels times vertices.

    Parameters
    ----------
    mask
        (Y, X), changed in place; pixels that are set stay so.
    rings
        (N, 2) vertices each, rows and columns of the plane, 0 at the centre of the first pixel.
    corner
        Row and column of the first pixel of the part. Default: that of the plane.
    """
    own = [np.asarray(ring, float) - corner for ring in rings if len(ring)]
    if not own:
        return
    outer = own[0]  # of shapes that lie elsewhere nothing is computed
    if (outer.max(axis=0) < -1).any() or (outer.min(axis=0) > mask.shape).any():
        return
    here = np.concatenate(own)
    there = np.concatenate([np.roll(ring, -1, axis=0) for ring in own])
    for top in range(0, len(mask), _ROWS):
        part, shift = mask[top : top + _ROWS], np.array([top, 0.0])
        part |= _inside(here - shift, there - shift, part.shape)


def _inside(here: Floats, there: Floats, shape: tuple[int, ...]) -> Mask:
    rows, columns = shape
    steps = np.zeros((rows, columns + 1), np.int16)
    for row, left, right in (
        _between(here, there, rows),
        _along(here, there),
        (*here.T, here.T[1]),
    ):
        keep, row = _whole(row, rows)
        start = np.clip(np.ceil(left[keep] - _ROUNDING), 0, columns).astype(np.int64)
        stop = np.clip(np.floor(right[keep] + _ROUNDING) + 1, 0, columns).astype(np.int64)
        there_is = stop > start
        np.add.at(steps, (row[there_is], start[there_is]), 1)
        np.add.at(steps, (row[there_is], stop[there_is]), -1)
    found: Mask = np.cumsum(steps[:, :-1], axis=1, dtype=np.int16) > 0
    return found


def _whole(row: Floats, rows: int) -> tuple[Mask, Whole]:
    """Return which numbers are those of rows, and these."""
    near = np.rint(row)
    keep = (np.abs(row - near) <= _ROUNDING) & (near >= 0) & (near < rows)
    return keep, near[keep].astype(np.int64)


def _between(here: Floats, there: Floats, rows: int) -> tuple[Floats, Floats, Floats]:
    """Return row, first and last x of what lies between two crossings of the outline."""
    low, high = np.minimum(here[:, 0], there[:, 0]), np.maximum(here[:, 0], there[:, 0])
    first, end = (np.clip(np.ceil(one), 0, rows).astype(np.int64) for one in (low, high))
    count = end - first
    side = np.repeat(np.arange(len(count)), count)
    row = first[side] + np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
    slope = (there[side, 1] - here[side, 1]) / (there[side, 0] - here[side, 0])
    x = here[side, 1] + (row - here[side, 0]) * slope
    order = np.lexsort((x, row))
    return row[order][::2].astype(float), x[order][::2], x[order][1::2]


def _along(here: Floats, there: Floats) -> tuple[Floats, Floats, Floats]:
    """Return row, first and last x of the sides that lie along a row."""
    level = here[:, 0] == there[:, 0]
    ends = here[level, 1], there[level, 1]
    return here[level, 0], np.minimum(*ends), np.maximum(*ends)
