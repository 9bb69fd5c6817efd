"""Rows of a plane at a time, so that what is computed of huge planes fits into the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Owners = npt.NDArray[np.int32]

__all__ = ["Window", "bands", "decoding_memory", "object_windows", "rows_at_a_time"]

_DECODING = 80  # bytes for each pixel of a plane whose flows are decoded as a whole
_IN_BANDS = 32  # … and of a larger one
_WHOLE = 4096 * 4096  # px that are decoded at once, of which each takes some 50 bytes


class Window(NamedTuple):
    """Rows that hold some objects of a plane whole.

    Attributes
    ----------
    rows
        Of the plane.
    first, last
        Numbers of the objects: `first` + 1 … `last`.
    """

    rows: slice
    first: int
    last: int

    def objects_of(self, owner: Owners) -> Owners:
        """Return the owners (y, X) in these rows of those objects alone, numbered from 1."""
        part = owner[self.rows]
        if self.first == 0 and self.last >= part.max(initial=0):
            return part
        within = (part > self.first) & (part <= self.last)
        return np.where(within, part - np.int32(self.first), np.int32(0))


def rows_at_a_time(shape: tuple[int, ...], pixels: int = _WHOLE) -> int:
    """Return how many rows of a plane are decoded at once.

    Parameters
    ----------
    shape
        Of the plane, (Y, X).
    pixels
        A plane of no more is decoded as a whole. Default: 16.8 million.
    """
    if shape[0] * shape[1] <= pixels:
        return max(shape[0], 1)
    return max(pixels // max(shape[1], 1), 1)


def decoding_memory(shape: tuple[int, int]) -> int:
    """Return the bytes that it takes to decode the flows of a plane (Y, X)."""
    rows = min(rows_at_a_time(shape), shape[0])
    banded = _IN_BANDS * shape[0] * shape[1] if rows < shape[0] else 0
    return banded + _DECODING * rows * shape[1]


def bands(height: int, rows: int) -> Iterator[slice]:
    """Yield the rows of a plane of this height, so many at a time."""
    for first in range(0, height, max(rows, 1)):
        yield slice(first, min(first + rows, height))


def object_windows(owner: Owners, count: int, rows: int, align: int = 1) -> list[Window]:
    """Return windows that together hold each object once and whole.

    Parameters
    ----------
    owner
        (Y, X) objects 1 … `count`, in the order of their first pixels; 0 is none.
    count
        Number of objects.
    rows
        In which the objects of a window begin; it is as much higher as they reach down.
    align
        Windows begin at multiples of this row. Default: 1.
    """
    height = owner.shape[0]
    if rows >= height:
        return [Window(slice(0, height), 0, count)]
    top, bottom = np.full(count + 1, height), np.full(count + 1, -1)
    for band in bands(height, rows):
        y, x = np.nonzero(owner[band])
        there = owner[band][y, x]
        bottom[there] = y + band.start  # of several writes, the last one stays
        top[there[::-1]] = np.minimum(top[there[::-1]], (y + band.start)[::-1])
    found, first = [], 0
    for band in bands(height, rows):
        last = int(np.searchsorted(top[1:], band.stop))
        if last > first:
            start = int(top[first + 1]) // align * align
            stop = int(bottom[first + 1 : last + 1].max()) + 1
            found.append(Window(slice(start, stop), first, last))
        first = last
    return found
