"""Sinks: the places where the walks of the pixels of an object end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]
    Floats = npt.NDArray[np.floating]

__all__ = ["PARTS", "find_sinks"]

PARTS = 64
"""Masses are rounded to this fraction of a pixel, so that sums are exact."""

_MASS = 8.0  # pixels; fewer end together by chance
_DENSITY = 1.5  # walks that end in one pixel; where nothing flows, it is 1
_LEAST = 0.25  # walks, of certain pixels, that end in a pixel of a sink
_SADDLE = 0.2  # of the lower of two peaks: what is as dense between them joins them
_REACH = 3  # px; a peak draws what ends nearer than that
_BRIDGE = 5  # px², squared distance of ends that count as neighbours


def find_sinks(walks: Floats, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Return the sink that each pixel belongs to: peaks of the density of ends, apart by a saddle.

    Parameters
    ----------
    walks
        (Y · X,) float32, how many walks end in each pixel: multiples of 1/64.
    shape
        Of the plane, (Y, X).

    Returns
    -------
    ndarray
        (Y · X,) int32: 1, 2, …; 0 where too few walks end.
    """
    # most walks of the background end where few others do: these can be no part of a sink
    near = _Places(np.flatnonzero(walks >= _LEAST), shape)
    mass = walks[near.places].astype(np.float64)
    density = near.smoothed(mass)
    sink = _joined(near, density, _climb(near, density))
    kept = np.bincount(sink, mass, len(mass)) >= _MASS
    kept &= density >= _DENSITY
    number = np.where(kept, np.cumsum(kept), 0)
    numbers = np.zeros(len(walks), np.int32)
    numbers[near.places] = number[sink]
    return numbers


class _Places:
    """The pixels where walks end, and their neighbours among these."""

    def __init__(self, places: Integers, shape: tuple[int, ...]) -> None:
        self.places = places
        self._width = shape[1] + 2 * _REACH
        padded = (places // shape[1] + _REACH) * self._width + places % shape[1] + _REACH
        self._padded = padded.astype(np.int32)
        self._index = np.full((shape[0] + 2 * _REACH) * self._width, -1, np.int32)
        self._index[self._padded] = np.arange(len(places), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.places)

    def at(self, y: int, x: int) -> Integers:
        """Return the number of the place a step away from each; -1 where none is."""
        number: Integers = self._index[self._padded + np.int32(y * self._width + x)]
        return number

    def smoothed(self, mass: Floats) -> Floats:
        """Return binomial means over 3 × 3 px."""
        density, padded = np.zeros(len(mass)), np.append(mass, 0)
        for y, x in _steps(2):
            density += (2 - abs(y)) * (2 - abs(x)) / 16 * padded[self.at(y, x)]
        return density


def _steps(square: int) -> list[tuple[int, int]]:
    """Return all steps of at most this squared length."""
    span = range(-_REACH, _REACH + 1)
    return [(y, x) for y in span for x in span if y * y + x * x <= square]


def _climb(near: _Places, density: Floats) -> Integers:
    """Return the peak that each place climbs to, always to the densest within reach."""
    count = len(near)
    # densities are whole numbers of 1/1024 walks; of equal ones the first place is the higher
    order = (density * (16 * PARTS)).astype(np.int64) * count + np.arange(count - 1, -1, -1)
    order = np.append(order, -1)  # of no place
    highest = order[:-1].copy()
    for step in _steps(_REACH**2):
        np.maximum(highest, order[near.at(*step)], out=highest)
    return _roots((count - 1 - highest % max(count, 1)).astype(np.int32))


def _joined(near: _Places, density: Floats, peak: Integers) -> Integers:
    """Return the highest of the peaks that each belongs to: several, where saddles are high.

    A peak only ever joins a higher one, so that low ground connects none beyond it.
    """
    one, two, saddle = _saddles(near, density, peak)
    root: Integers = np.arange(len(near))
    while True:
        left, right = root[one], root[two]
        swap = (density[left] > density[right]) | (
            (density[left] == density[right]) & (left < right)
        )
        low, high = np.where(swap, right, left), np.where(swap, left, right)
        joins = np.flatnonzero((low != high) & (saddle >= _SADDLE * density[low]))
        if not len(joins):
            return root[peak]
        order = joins[np.lexsort((high[joins], saddle[joins], low[joins]))]
        highest = order[np.flatnonzero(np.diff(low[order], append=-1))]
        above = np.arange(len(root))
        above[low[highest]] = high[highest]
        root = _roots(above)[root]


def _saddles(near: _Places, density: Floats, peak: Integers) -> tuple[Integers, Integers, Floats]:
    """Return pairs of peaks with places side by side, and the lower density of these."""
    found = []
    padded = np.append(peak, -1)  # of no place
    for step in _steps(_BRIDGE):
        if step > (0, 0):  # the others by symmetry
            other = near.at(*step)
            beyond = padded[other]
            one = np.flatnonzero((beyond >= 0) & (peak != beyond))
            two = other[one]
            found.append((peak[one], peak[two], np.minimum(density[one], density[two])))
    one, two, saddle = (np.concatenate(part) for part in zip(*found, strict=True))
    return one, two, saddle


def _roots(above: Integers) -> Integers:
    """Return the end of each chain."""
    while True:
        further = above[above]
        if np.array_equal(further, above):
            return above
        above = further
