"""Objects of blocks, and which of them are one object of the plane.

Neighbouring blocks overlap: both know the two rows (or columns) of pixels at their seam, and one
more at each corner, so that objects that cross it at a corner only are met, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .grid import grown

if TYPE_CHECKING:
    import numpy.typing as npt

    from .grid import Block

    Labels = npt.NDArray[np.int32]

__all__ = ["BlockObjects", "JoinedObjects", "SeamJoiner"]

_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class BlockObjects:
    """What is found in the window of a block.

    Attributes
    ----------
    labels
        (y, x) int32, objects 1, 2, …; 0 is none.
    order
        (y, x) int32, the same numbers: the first of its pixels decides the order of objects. It
        may hold pixels that are not in `labels`.
    area
        By which the best view of an object that several blocks see is chosen; of object 1, 2, …
        Default: None, `labels` decide.
    confidence
        In object 1, 2, …, in [0, 1]. Default: None, unknown.
    poor
        Whether object 1, 2, … is none: it has no labels, but in another block that cuts it.
        Default: None, all are objects.
    """

    labels: Labels
    order: Labels
    area: npt.NDArray[np.int64] | None = None
    confidence: npt.NDArray[np.float64] | None = None
    poor: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class JoinedObjects:
    """The objects of a plane.

    Attributes
    ----------
    number
        (N + 1,) int32: which object each of N objects of the blocks is, 1, 2, … in the order of
        first pixels; 0 of those that belong to none.
    area
        Pixels of object 1, 2, …
    box
        (objects, 4) first row, first column, and those behind the last.
    border
        Whether each has a pixel at the border of the plane.
    confidence
        In each, in [0, 1]; None where unknown.
    cut
        Whether each touches the border of a region. Default: None, there is no region.
    """

    number: Labels
    area: npt.NDArray[np.int64]
    box: npt.NDArray[np.int64]
    border: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64] | None
    cut: npt.NDArray[np.bool_] | None = None

    def kept(self, keep: npt.NDArray[np.bool_]) -> JoinedObjects:
        """Return those objects alone, numbered anew."""
        new = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
        confidence = None if self.confidence is None else self.confidence[keep]
        cut = None if self.cut is None else self.cut[keep]
        parts = (self.area[keep], self.box[keep], self.border[keep], confidence, cut)
        return JoinedObjects(new[self.number], *parts)


@dataclass(eq=False)
class SeamJoiner:
    """Joins the objects of blocks, which are added row by row.

    Attributes
    ----------
    shape
        Of the plane, (Y, X).
    majority
        Whether objects of two blocks are one only where most of the smaller one's pixels at the
        seam are the other's; else (the default) where they share a pixel.
    """

    shape: tuple[int, int]
    majority: bool = False
    _count: int = 0
    _facts: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    _pairs: list[npt.NDArray[np.integer]] = field(default_factory=list)
    _above: dict[int, Labels] = field(default_factory=dict)  # strips at the lower ends of blocks
    _left: dict[int, Labels] = field(default_factory=dict)

    def add(self, block: Block, found: BlockObjects) -> Labels:
        """Add the objects of a block; return its own pixels (Y, X) with their numbers so far."""
        ring = block.inside(*grown((block.rows, block.columns), self.shape, 1))
        # also of those that have no label here: the first pixel of an object may be one of these
        all_of = np.where(found.order > 0, found.order, found.labels)
        there = np.unique(all_of[ring])
        there = there[there > 0]
        number = np.zeros(int(all_of.max(initial=0)) + 1, np.int32)
        number[there] = np.arange(self._count + 1, self._count + len(there) + 1)
        self._facts.append(self._facts_of(block, found, there))
        self._count += len(there)
        self._join(block, number[all_of])
        own: Labels = number[found.labels[block.own]]
        return own

    def skip(self, block: Block) -> None:
        """Pass over a block without objects."""
        self._above.pop(block.columns.start, None)
        self._left.pop(block.rows.start, None)

    def _meet(self, one: Labels | None, other: Labels) -> None:
        if one is not None:  # of a block that was skipped
            self._pairs.append(self._matches(one, other))

    def _join(self, block: Block, ids: Labels) -> None:
        rows, columns = grown((block.rows, block.columns), self.shape, 1)
        upper, left = block.rows.start, block.columns.start
        if upper:
            strip = ids[block.inside(slice(upper - 1, upper + 1), columns)]
            self._meet(self._above.pop(left, None), strip)
        if left:
            strip = ids[block.inside(rows, slice(left - 1, left + 1))]
            self._meet(self._left.pop(upper, None), strip)
        lower, right = block.rows.stop, block.columns.stop
        if lower < self.shape[0]:
            strip = ids[block.inside(slice(lower - 1, lower + 1), columns)]
            self._above[left] = strip.copy()  # the whole window is not to be kept
        if right < self.shape[1]:
            strip = ids[block.inside(rows, slice(right - 1, right + 1))]
            self._left[upper] = strip.copy()

    def _matches(self, one: Labels, other: Labels) -> npt.NDArray[np.integer]:
        """Return pairs (N, 2) of objects that are one."""
        both = np.flatnonzero((one > 0) & (other > 0))
        pairs = np.stack([one.ravel()[both], other.ravel()[both]], 1)
        pairs, shared = np.unique(pairs, axis=0, return_counts=True)
        if not self.majority or not len(pairs):
            return pairs
        sizes = [
            dict(zip(*np.unique(strip, return_counts=True), strict=True)) for strip in (one, other)
        ]
        smaller = np.array([min(sizes[0][a], sizes[1][b]) for a, b in pairs])
        return pairs[2 * shared > smaller]

    def _facts_of(
        self, block: Block, found: BlockObjects, there: npt.NDArray[np.integer]
    ) -> dict[str, npt.NDArray[Any]]:
        labels, order = found.labels[block.own], found.order[block.own]
        last = int(there.max(initial=0))
        area = np.bincount(labels.ravel(), minlength=last + 1)
        edge = np.zeros(last + 1, bool)
        for side, here in (
            (labels[0], block.rows.start == 0),
            (labels[-1], block.rows.stop == self.shape[0]),
            (labels[:, 0], block.columns.start == 0),
            (labels[:, -1], block.columns.stop == self.shape[1]),
        ):
            edge[side] |= here
        seen = np.bincount(found.labels.ravel(), minlength=last + 1)
        return {
            "area": area[there],
            "first": self._first_pixels(block, order, last)[there],
            "box": _boxes(block, labels, last)[there],
            "border": edge[there],
            "seen": seen[there] if found.area is None else found.area[there - 1],
            "confidence": np.full(len(there), np.nan)
            if found.confidence is None
            else found.confidence[there - 1],
            "poor": np.zeros(len(there), bool) if found.poor is None else found.poor[there - 1],
        }

    def _first_pixels(self, block: Block, order: Labels, last: int) -> npt.NDArray[np.int64]:
        """Return the first pixel of each object in a block, counted in the whole plane."""
        first = np.full(max(last, int(order.max(initial=0))) + 1, _FAR)
        flat = order.ravel()
        inside = np.flatnonzero(flat)[::-1]
        y, x = np.divmod(inside, order.shape[1])
        # the last write stays: that of the first pixel
        first[flat[inside]] = (y + block.rows.start) * self.shape[1] + x + block.columns.start
        return first

    def result(self) -> JoinedObjects:
        """Return the objects of the plane."""
        facts = {name: np.concatenate([part[name] for part in self._facts]) for name in _NAMES}
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._pairs]) - 1
        graph = coo_array(
            (np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])),
            shape=(self._count, self._count),
        )
        count, part = connected_components(graph, directed=False) if self._count else (0, [])
        part = np.asarray(part, np.int64)
        area = np.bincount(part, facts["area"], count).astype(np.int64)
        first = np.full(count, _FAR)
        np.minimum.at(first, part, facts["first"])
        box = np.concatenate([np.full((count, 2), _FAR), np.full((count, 2), -1)], 1)
        np.minimum.at(box[:, :2], part, facts["box"][:, :2])
        np.maximum.at(box[:, 2:], part, facts["box"][:, 2:])
        border = np.bincount(part, facts["border"], count) > 0
        best = np.lexsort((facts["seen"], part))
        best = best[np.flatnonzero(np.diff(part[best], append=-1))]  # the last of each object
        order = np.argsort(first)
        rank = np.empty(count, np.int64)
        rank[order] = np.arange(count)
        number = np.concatenate([[0], rank[part] + 1]).astype(np.int32)
        known = facts["confidence"][best][order]
        confidence = None if np.isnan(known).all() else known
        whole = JoinedObjects(number, area[order], box[order], border[order], confidence)
        return whole.kept((whole.area > 0) & ~facts["poor"][best][order])


_NAMES = ("area", "first", "box", "border", "seen", "confidence", "poor")


def _boxes(block: Block, labels: Labels, last: int) -> npt.NDArray[np.int64]:
    """Return the first row and column of each object, and those behind its last, in the plane."""
    boxes = np.concatenate([np.full((last + 1, 2), _FAR), np.full((last + 1, 2), -1)], 1)
    corner = np.array([block.rows.start, block.columns.start] * 2)
    for number, found in enumerate(ndimage.find_objects(labels, last), 1):
        if found is not None:
            ends = [found[0].start, found[1].start, found[0].stop, found[1].stop]
            boxes[number] = corner + ends
    return boxes
