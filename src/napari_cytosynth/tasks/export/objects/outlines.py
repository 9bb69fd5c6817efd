"""Outlines of labelled pixels along their edges, as polygons with holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

__all__ = ["Polygon", "TracedObject", "trace"]

Polygon = list["npt.NDArray[np.float64] | npt.NDArray[np.int64]"]
"""Rings (N, 2) of x and y: the outer one, then the holes; the first point is not repeated."""

_STEP = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])  # x, y: along the top, right, bottom, left
_CORNER = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])  # of a pixel, where that side starts


@dataclass(frozen=True, eq=False)
class TracedObject:
    """Outlines of one label in one plane.

    Attributes
    ----------
    label
        The label.
    polygons
        One for each piece whose pixels share edges.
    """

    label: int
    polygons: list[Polygon]


def trace(plane: npt.NDArray[np.integer]) -> list[TracedObject]:
    """Return the outlines of all labels of a plane, by ascending label.

    Pixels that touch at a corner only are pieces of their own, and no ring meets itself: the
    polygons are valid as OGC's Simple Features define it, which QuPath asks for. Points are
    corners of pixels: (0, 0) is the outer corner of the first pixel. In numbers of x and y the
    outer rings have a positive area (counter-clockwise where y points up), holes a negative one.

    Parameters
    ----------
    plane
        Labels (Y, X), 0 is background.
    """
    from skimage.measure import label as connected

    find: Any = connected  # without types
    pieces = find(plane, connectivity=1, background=0)
    if not pieces.max(initial=0):
        return []
    first = np.zeros(int(pieces.max()) + 1, plane.dtype)
    first[pieces.ravel()] = plane.ravel()
    edges = _Edges(pieces)
    return _grouped(*edges.rings(), first)


class _Edges:
    """Sides of pixels at which a piece ends, each with the piece on its right as y points down."""

    def __init__(self, pieces: npt.NDArray[np.integer]) -> None:
        padded = np.pad(pieces, 1)
        self.width = pieces.shape[1] + 1
        found = []
        for side, (dx, dy) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
            height, width = pieces.shape
            beside = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
            y, x = np.nonzero((pieces != beside) & (pieces != 0))
            corner = (y + _CORNER[side, 1]) * self.width + x + _CORNER[side, 0]
            found.append((corner * 4 + side, pieces[y, x]))
        key = np.concatenate([keys for keys, _ in found]).astype(np.int64)
        order = np.argsort(key, kind="stable")
        self.key = key[order]  # a corner and a direction belong to one side only
        self.piece = np.concatenate([piece for _, piece in found])[order].astype(np.int64)
        self.corner, self.side = np.divmod(self.key, 4)

    def rings(self) -> tuple[Integers, Integers, Integers]:
        """Return the corners (N, 2) of all rings, where each ring starts, and its piece."""
        following = self._following()
        order, starts = _ordered(following)
        turns = np.empty(len(order), bool)
        turns[following] = self.side[following] != self.side
        kept = turns[order]
        before = np.concatenate([[0], np.cumsum(kept)])
        corner = self.corner[order][kept]
        points = np.stack([corner % self.width, corner // self.width], axis=1)
        return points, before[starts], self.piece[order[starts]]

    def _following(self) -> Integers:
        """Return the next side along the outline of each side.

        Where two pixels of a piece touch at a corner, the way turns left, from one to the other:
        the piece is joined elsewhere, so that this parts a hole from what surrounds it.
        """
        step = _STEP[self.side]
        end = self.corner + step[:, 1] * self.width + step[:, 0]
        following = np.full(len(end), -1, np.int64)
        for turn in (1, 0, 3):  # right, straight on, left: the last that fits
            wanted = end * 4 + (self.side + turn) % 4
            place = np.minimum(np.searchsorted(self.key, wanted), len(end) - 1)
            fits = (self.key[place] == wanted) & (self.piece[place] == self.piece)
            following[fits] = place[fits]
        return following


def _ordered(following: Integers) -> tuple[Integers, Integers]:
    """Return the sides ring by ring, in their order, and where each ring starts in that.

    By doubling the jumps (Wyllie's list ranking), which takes as many rounds as the longest
    ring has binary digits.
    """
    leader, jump = np.arange(len(following)), following
    while True:
        lower = np.minimum(leader, leader[jump])
        if np.array_equal(lower, leader):
            break
        leader, jump = lower, jump[jump]
    leads = leader == np.arange(len(following))
    jump = np.where(leads, leader, following)
    left = np.where(leads, 0, 1)  # sides to walk until the leader
    while not np.array_equal(jump, leader):
        left, jump = left + left[jump], jump[jump]
    left[leads] = len(following)
    order = np.lexsort((-left, leader))
    return order, np.flatnonzero(leads[order])


def _grouped(
    points: Integers, starts: Integers, pieces: Integers, label_of: npt.NDArray[np.integer]
) -> list[TracedObject]:
    """Return rings as polygons, and these by label."""
    holes = _areas(points, starts) < 0
    rings = np.split(points, starts[1:])
    found: dict[int, dict[int, Polygon]] = {}
    for number in np.lexsort((holes, pieces)).tolist():  # the outer ring of a piece comes first
        piece = int(pieces[number])
        polygons = found.setdefault(int(label_of[piece]), {})
        polygons.setdefault(piece, []).append(rings[number])
    return [TracedObject(label, list(found[label].values())) for label in sorted(found)]


def _areas(points: Integers, starts: Integers) -> Integers:
    """Return twice the area of each ring, with its sign (the shoelace formula)."""
    last = np.concatenate([starts[1:], [len(points)]]) - 1
    after = np.arange(1, len(points) + 1)
    after[last] = starts
    cross = points[:, 0] * points[after, 1] - points[after, 0] * points[:, 1]
    areas: Integers = np.add.reduceat(cross, starts)
    return areas
