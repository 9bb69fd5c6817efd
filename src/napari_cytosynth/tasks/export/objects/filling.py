"""Pixels within polygons: those whose centre lies inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.memory import require_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from .outlines import Polygon

__all__ = ["Filled", "fill"]

_BYTES_PER_CROSSING = 120
_CHUNK = 1 << 22  # pixels that are painted at once


@dataclass(frozen=True, eq=False)
class Filled:
    """Pixels of a plane by the object that has them.

    Attributes
    ----------
    owner
        (Y, X): number of the object, counted from 1; 0 where there is none.
    sizes
        Pixels within the image that each object claims; those of overlapping polygons of its
        own count twice.
    contested
        Pixels that more than one object claims.
    """

    owner: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    contested: int


def fill(objects: Sequence[Sequence[Polygon]], shape: tuple[int, int]) -> Filled:
    """Fill the polygons of objects; where objects overlap, the smaller one has the pixel.

    A pixel belongs to a polygon if its centre lies inside by the even-odd rule over its rings,
    so that outlines along the edges of pixels give back just these pixels. Polygons of one
    object are united.

    Parameters
    ----------
    objects
        Polygons of each object; coordinates are finite, (0, 0) is the outer corner of the
        first pixel.
    shape
        Rows and columns of the plane.

    Raises
    ------
    InputError
        If the outlines need more memory than is free.
    """
    owners = [n for n, polygons in enumerate(objects) for _ in polygons]
    polygons = [polygon for polygons in objects for polygon in polygons]
    part, row, start, stop = _runs(polygons, shape)
    number = np.asarray(owners, np.int64)[part] if owners else part
    sizes = np.bincount(number, stop - start, minlength=len(objects)).astype(np.int64)
    rank = np.empty(len(objects), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(objects))  # large ones first
    order = np.argsort(rank[number], kind="stable")
    painter = _Painter(shape)
    painter.paint(number[order] + 1, row[order], start[order], stop[order])
    owner = painter.owner.reshape(shape)
    return Filled(owner, sizes, int(np.count_nonzero(painter.contested)))


class _Painter:
    def __init__(self, shape: tuple[int, int]) -> None:
        self.width = shape[1]
        self.owner = np.zeros(shape[0] * shape[1], np.int32)
        self.contested = np.zeros(shape[0] * shape[1], bool)

    def paint(
        self,
        number: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        start: npt.NDArray[np.int64],
        stop: npt.NDArray[np.int64],
    ) -> None:
        """Paint runs of pixels one over the other."""
        length = stop - start
        ends = np.cumsum(length)
        begin = 0
        while begin < len(length):
            before = ends[begin - 1] if begin else 0
            end = max(int(np.searchsorted(ends, before + _CHUNK, "right")), begin + 1)
            some = slice(begin, end)
            first = row[some] * self.width + start[some]
            offset = np.repeat(ends[some] - length[some] - before, length[some])
            place = np.repeat(first, length[some]) + np.arange(len(offset)) - offset
            self._put(place, np.repeat(number[some], length[some]).astype(np.int32))
            begin = end

    def _put(self, place: npt.NDArray[np.int64], number: npt.NDArray[np.int32]) -> None:
        earlier = self.owner[place]
        self.contested[place[(earlier != 0) & (earlier != number)]] = True
        self.owner[place] = number  # of several at one place, the last stays
        self.contested[place[self.owner[place] != number]] = True


def _runs(polygons: Sequence[Polygon], shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the polygon, row, first column and end of every run of pixels inside."""
    rings = [(n, ring) for n, polygon in enumerate(polygons) for ring in polygon if len(ring)]
    if not rings:
        return tuple(np.zeros(0, np.int64) for _ in range(4))
    here = np.concatenate([ring for _, ring in rings]).astype(float)
    there = np.concatenate([np.roll(ring, -1, axis=0) for _, ring in rings]).astype(float)
    part = np.repeat([n for n, _ in rings], [len(ring) for _, ring in rings])
    part, row, x = _crossings(part, here, there, shape[0])
    column = np.clip(np.ceil(x - 0.5), 0, shape[1]).astype(np.int64)
    order = np.lexsort((column, row, part))
    part, row, column = part[order][::2], row[order][::2], column[order]
    inside = column[1::2] > column[::2]
    return part[inside], row[inside], column[::2][inside], column[1::2][inside]


def _crossings(
    part: npt.NDArray[np.int64],
    here: npt.NDArray[np.float64],
    there: npt.NDArray[np.float64],
    height: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return polygon, row and x wherever a side crosses the middle of a row."""
    low, high = np.minimum(here[:, 1], there[:, 1]), np.maximum(here[:, 1], there[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    end = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    count = end - first
    require_memory(
        float(count.sum()) * _BYTES_PER_CROSSING,
        "Filling these outlines",
        "Read a part of them, or use a machine with more memory.",
    )
    side = np.repeat(np.arange(len(part)), count)
    offset = np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
    row = first[side] + offset
    with np.errstate(over="ignore", invalid="ignore"):
        slope = (there[side, 0] - here[side, 0]) / (there[side, 1] - here[side, 1])
        x = here[side, 0] + (row + 0.5 - here[side, 1]) * slope
    return part[side], row, np.nan_to_num(x)
