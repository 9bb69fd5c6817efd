"""Areas of the convex hulls of many regions at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]

__all__ = ["hull_areas"]

_OFFSETS = np.array([-1, 0, 1])


def hull_areas(region: Whole, row: Whole, low: Whole, high: Whole, count: int) -> Floats:
    """Return the areas of the convex hulls of the edge midpoints of the regions' pixels.

    Parameters
    ----------
    region, row
        Number of the region and of the row, of each row of each region; ascending by both.
    low, high
        First and last column of that row of that region: all that a hull needs.
    count
        Number of regions.
    """
    # in half pixels, so that all is whole: the midpoints above, beside and below each row
    key = (2 * row[:, np.newaxis] + 1 + _OFFSETS).ravel()
    regions = np.repeat(region, 3)
    left = (2 * low[:, np.newaxis] - (_OFFSETS == 0)).ravel()
    right = (2 * high[:, np.newaxis] + (_OFFSETS == 0)).ravel()
    # where a row follows the one before, both have a midpoint at the same height
    first = np.flatnonzero((np.diff(key, prepend=-1) != 0) | (np.diff(regions, prepend=-1) != 0))
    if not len(first):
        return np.zeros(count)
    regions, key = regions[first], key[first]
    both = [
        _under_chain(regions, key, np.minimum.reduceat(left, first), count),
        _under_chain(regions, key, np.minimum.reduceat(-right, first), count),
    ]
    return -(both[0] + both[1]) / 4


def _under_chain(region: Whole, t: Whole, x: Whole, count: int) -> Floats:
    """Return the integral of x over t along the lower convex hull of each region's points.

    A point on or above the line between its neighbours is no corner of the hull, whichever of
    these stays: all such points of all regions are taken out at once, until there are none.
    """
    total = np.zeros(count)
    while len(region):
        step = (x[1:-1] - x[:-2]) * (t[2:] - t[:-2])
        inner = (region[:-2] == region[2:]) & (step >= (x[2:] - x[:-2]) * (t[1:-1] - t[:-2]))
        out = np.concatenate([[False], inner, [False]])[: len(region)]
        changed = np.zeros(count, bool)
        changed[region[out]] = True
        left = changed[region]
        done = ~left
        total += _integral(region[done], t[done], x[done], count)
        left &= ~out
        region, t, x = region[left], t[left], x[left]
    return total


def _integral(region: Whole, t: Whole, x: Whole, count: int) -> Floats:
    same = region[1:] == region[:-1]
    area = (t[1:] - t[:-1]) * (x[1:] + x[:-1]) / 2
    return np.bincount(region[1:][same], area[same], minlength=count).astype(np.float64)
