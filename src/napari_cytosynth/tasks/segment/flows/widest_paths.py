"""Widest paths within objects: the highest level at which a pixel is connected to a source.

The width of a path is its lowest pixel. A pixel climbs to one peak along a path that is as wide
as its own height, so that all widths follow from those between neighbouring peaks: these are few,
and the widest paths among them lie in their maximum spanning tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]
    Heights = npt.NDArray[np.uint16]
    Owners = npt.NDArray[np.int32]

__all__ = ["enclosed", "fill_heights", "one_piece"]

_HIGH = 1 << 16  # above every height
_SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def one_piece(heights: Heights, owner: Owners, probability: npt.NDArray[np.floating]) -> Heights:
    """Return heights lowered so far that no object ever falls apart.

    Each becomes the lowest height on the widest path (over sides and corners, within the
    object) to where the object's probability is highest, the first such pixel: all pixels of an
    object at or above any height are one piece. A piece that is separate at all heights is lost.

    Parameters
    ----------
    heights
        (Y, X) uint16, larger where `probability` is.
    owner
        (Y, X) int32 objects; 0 is none.
    probability
        (Y, X), finite.
    """
    peaks = _Peaks(heights, owner, _SIDES + _CORNERS)
    sources = peaks.of_pixels[_highest(peaks, probability.ravel()[peaks.pixels])]
    starts = np.full(len(sources), _HIGH)
    return peaks.lowered(peaks.widths(sources, starts))


def fill_heights(heights: Heights, owner: Owners) -> Heights:
    """Return heights with the holes of objects filled, as grey values.

    Each becomes the lowest height that surrounds it within its object: at every threshold the
    holes (connected over sides) are gone. A hole with pixels of another object, of none, or at the
    border of the plane is none; see :func:`enclosed`.

    Parameters
    ----------
    heights
        (Y, X) uint16.
    owner
        (Y, X) int32 objects; 0 is none.
    """
    top = heights.max(initial=0)
    peaks = _Peaks(top - heights, owner, _SIDES)
    rim = np.flatnonzero(peaks.on_rim())
    depths = peaks.lowered(peaks.widths(peaks.of_pixels[rim], peaks.heights[rim]))
    return np.where(owner > 0, top - depths, heights)


def enclosed(owner: Owners) -> Owners:
    """Return the objects with those pixels of none that a single one encloses.

    Parameters
    ----------
    owner
        (Y, X) int32 objects; 0 is none.
    """
    gaps, count = ndimage.label(owner == 0)
    if count == 0 or not owner.any():
        return owner.astype(np.int32, copy=False)
    least = np.full(count + 1, np.iinfo(np.int32).max, np.int32)
    most = np.zeros(count + 1, np.int32)
    for axis in (0, 1):
        for one, other in (_shifted(axis), _shifted(axis)[::-1]):
            where = np.nonzero((gaps[one] > 0) & (owner[other] > 0))
            gap, around = gaps[one][where], owner[other][where]
            np.minimum.at(least, gap, around)
            np.maximum.at(most, gap, around)
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        most[edge] = 0
    most[0] = 0
    filled: Owners = owner + np.where(least == most, most, 0)[gaps]
    return filled


def _shifted(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    before: list[slice] = [slice(None)] * 2
    after = list(before)
    before[axis], after[axis] = slice(None, -1), slice(1, None)
    return tuple(before), tuple(after)


def _highest(peaks: _Peaks, probability: npt.NDArray[np.floating]) -> Integers:
    """Return the pixel of each object with the highest probability, the first of several."""
    summit = np.zeros(int(peaks.owners.max(initial=0)) + 1, probability.dtype)
    np.maximum.at(summit, peaks.owners, probability)
    highest = np.flatnonzero(probability == summit[peaks.owners])
    return highest[np.unique(peaks.owners[highest], return_index=True)[1]]


class _Peaks:
    """The peaks of a landscape, object by object, and the pixels that climb to each.

    Whole planes are compared with themselves a step away, row after row with a margin: that is
    much quicker than looking up the neighbours of each pixel.

    Attributes
    ----------
    pixels, owners, heights
        (N,) Flat index, object and height of all pixels of objects, in raster order.
    of_pixels
        (N,) number of the peak that each climbs to.
    """

    def __init__(self, heights: Heights, owner: Owners, steps: tuple[tuple[int, int], ...]) -> None:
        self._shape = owner.shape
        self._width = owner.shape[1] + 2
        self.pixels = np.flatnonzero(owner)
        self.owners = owner.ravel()[self.pixels]
        self.heights = heights.ravel()[self.pixels].astype(np.int64)
        inner = _padded(owner)
        self._places = np.flatnonzero(inner).astype(np.int32)
        # the other half of the steps by symmetry
        self._steps = [y * self._width + x for y, x in steps if y > 0 or (y == 0 and x > 0)]
        self._same = [inner[:-step] == inner[step:] for step in self._steps]
        roots = self._climb(len(inner))
        summits = roots == np.arange(len(roots), dtype=np.int32)
        self._count = int(np.count_nonzero(summits))
        self.of_pixels = (np.cumsum(summits, dtype=np.int32) - np.int32(1))[roots]

    def _climb(self, size: int) -> Integers:
        """Return the number of the pixel at the top of each one's climb."""
        bits = size.bit_length()
        low = (1 << bits) - 1
        wide = (int(self.heights.max(initial=0)) + 1) << bits > np.iinfo(np.int32).max
        order: Integers = np.zeros(size, np.int64 if wide else np.int32)
        # of equal heights the first pixel is the higher, so that every climb ends
        order[self._places] = (self.heights << bits) + (low - self._places)
        highest = order.copy()
        for step, same in zip(self._steps, self._same, strict=True):
            np.maximum(highest[:-step], order[step:] * same, out=highest[:-step])
            np.maximum(highest[step:], order[:-step] * same, out=highest[step:])
        number = np.zeros(size, np.int32)
        number[self._places] = np.arange(len(self._places), dtype=np.int32)
        roots: Integers = number[low - (highest[self._places] & low)]
        while True:
            further = roots[roots]
            if np.array_equal(further, roots):
                return roots
            roots = further

    def on_rim(self) -> npt.NDArray[np.bool_]:
        """Return which pixels have a neighbour outside their object."""
        within = np.ones((self._shape[0] + 2) * self._width, bool)
        for step, same in zip(self._steps, self._same, strict=True):
            within[:-step] &= same
            within[step:] &= same
        return ~within[self._places]

    def widths(self, sources: Integers, starts: Integers) -> Integers:
        """Return the width of the widest path from the sources to each peak; 0 where none leads.

        `starts` are the widths with which the sources (peaks) begin.
        """
        one, other, wide = self._saddles()
        ground = self._count  # a vertex from which all sources are reached
        one = np.concatenate([one, sources])
        other = np.concatenate([other, np.full(len(sources), ground)])
        wide = np.concatenate([wide, starts])
        one, other, wide = _widest(one, other, wide, ground + 1)
        tree = minimum_spanning_tree(
            coo_array((_HIGH + 1.0 - wide, (one, other)), shape=(ground + 1, ground + 1)).tocsr()
        )
        above = breadth_first_order(tree, ground, directed=False)[1].astype(np.int64)
        above[ground] = ground
        width = np.zeros(ground + 1, np.int64)
        branch = tree.tocoo()
        for child, parent in ((branch.row, branch.col), (branch.col, branch.row)):
            down = above[child] == parent
            width[child[down]] = _HIGH + 1 - branch.data[down].astype(np.int64)
        width[ground] = _HIGH
        above[above < 0] = ground
        while (above != ground).any():
            np.minimum(width, width[above], out=width)
            above = above[above]
        return width[:-1]

    def _saddles(self) -> tuple[Integers, Integers, Integers]:
        """Return pairs of peaks whose pixels touch, and the lower height of these."""
        pairs: list[tuple[Integers, Integers, Integers]] = []
        size = (self._shape[0] + 2) * self._width
        peak, heights = np.full(size, -1, np.int32), np.zeros(size, np.int64)
        peak[self._places], heights[self._places] = self.of_pixels, self.heights
        for step, same in zip(self._steps, self._same, strict=True):
            at = np.flatnonzero((peak[:-step] != peak[step:]) & same)
            low = np.minimum(heights[at], heights[at + step])
            pairs.append((peak[at], peak[at + step], low))
        one, other, low = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return np.minimum(one, other), np.maximum(one, other), low

    def lowered(self, widths: Integers) -> Heights:
        """Return the (Y, X) heights, at most the width of the way to each pixel's peak."""
        lowered = np.zeros(self._shape, np.uint16)
        lowered.ravel()[self.pixels] = np.minimum(self.heights, widths[self.of_pixels])
        return lowered


def _padded(plane: Owners) -> Owners:
    """Return the pixels of a plane, row after row, with a margin of one around it."""
    padded = np.zeros((plane.shape[0] + 2, plane.shape[1] + 2), plane.dtype)
    padded[1:-1, 1:-1] = plane
    return padded.ravel()


def _widest(
    one: Integers, other: Integers, wide: Integers, size: int
) -> tuple[Integers, Integers, Integers]:
    """Return each pair once, with its largest width."""
    scale = 2 * _HIGH
    keys = np.sort((one * np.int64(size) + other) * scale + wide)
    last = np.flatnonzero(np.diff(keys // scale, append=-1))
    pair = keys[last] // scale
    return pair // size, pair % size, keys[last] % scale
