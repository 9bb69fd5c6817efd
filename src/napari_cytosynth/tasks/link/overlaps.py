"""SharedPixels of the objects of two planes, and their one-to-one matching."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = [
    "MINIMUM_IOU",
    "LabelRuns",
    "SharedPixels",
    "best_pairs",
    "connected_groups",
    "count_overlaps",
    "object_areas",
]

MINIMUM_IOU = 0.25
"""Objects of neighbouring planes are one from this overlap on; Cellpose's usual value
(``stitch3D``: Stringer et al., Nature Methods 18, 2021)."""

_TABLE = 2**18  # pairs of ids: up to so many, a table of all is faster than sorting them


@dataclass(frozen=True, eq=False)
class SharedPixels:
    """Pairs of objects of two planes that share pixels.

    Attributes
    ----------
    first, second
        Id of the object in each plane.
    pixels
        Number of pixels that they share, at least 1.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> SharedPixels:
        return SharedPixels(self.first[chosen], self.second[chosen], self.pixels[chosen])

    def iou(self, first_areas: Integers, second_areas: Integers) -> npt.NDArray[np.float64]:
        """Return the intersection over union of each pair, in (0, 1].

        Parameters
        ----------
        first_areas, second_areas
            Pixels of each object, by its id.
        """
        union = first_areas[self.first] + second_areas[self.second] - self.pixels
        return self.pixels / union

    def containment(self, first_areas: Integers, second_areas: Integers) -> npt.NDArray[np.float64]:
        """Return which share of the smaller object of each pair lies in the other, in (0, 1]."""
        return self.pixels / np.minimum(first_areas[self.first], second_areas[self.second])


class LabelRuns:
    """Runs of equal labels in a plane, in raster order: far fewer than pixels, looked for once.

    Parameters
    ----------
    labels
        (Y, X), 0 is background. They are not kept.

    Attributes
    ----------
    shape
        Of the plane.
    starts
        Flat index of the first pixel of each run.
    values
        Label of each run.
    """

    def __init__(self, labels: Integers) -> None:
        self.shape = labels.shape
        flat = np.ravel(labels)
        begins = np.ones(flat.size, bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        self.starts = np.flatnonzero(begins)
        self.values = flat[self.starts].astype(np.int64)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of pixels of each run."""
        return np.diff(self.starts, append=math.prod(self.shape))

    def renumbered(self, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the plane (Y, X) with other numbers.

        Parameters
        ----------
        numbers
            Number of each object, by its label.
        """
        return np.repeat(numbers[self.values], self.lengths).reshape(self.shape)


def _runs(labels: Integers | LabelRuns) -> LabelRuns:
    return labels if isinstance(labels, LabelRuns) else LabelRuns(labels)


def count_overlaps(first: Integers | LabelRuns, second: Integers | LabelRuns) -> SharedPixels:
    """Count the pixels that the objects of two planes share.

    Parameters
    ----------
    first, second
        Labels (Y, X) of the same shape; 0 is background.

    Returns
    -------
    SharedPixels
        Ordered by the ids of `first`, then of `second`.
    """
    before, after = _runs(first), _runs(second)
    one, other, lengths = _common_runs(before, after)
    shared = (one > 0) & (other > 0)
    stride = int(after.values.max(initial=0)) + 1
    keys = one[shared] * stride + other[shared]
    return _counted(keys, lengths[shared], stride, (int(one.max(initial=0)) + 1) * stride)


def _common_runs(
    first: LabelRuns, second: LabelRuns
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the labels in both planes and the length of each run of equal pairs."""
    starts = np.concatenate([first.starts, second.starts])
    order = np.argsort(starts, kind="stable")  # merges the two in linear time
    starts = starts[order]
    of_first = order < len(first.starts)
    begun = np.cumsum(of_first)
    # each plane begins a run at pixel 0; where both begin one, the pair's first run has no pixel
    one = first.values[begun - 1]
    other = second.values[np.maximum(np.arange(len(order)) - begun, 0)]
    return one, other, np.diff(starts, append=math.prod(first.shape))


def _counted(
    keys: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64], stride: int, size: int
) -> SharedPixels:
    """Sum up the pixels of each key, which are first · `stride` + second and below `size`."""
    if size <= _TABLE:
        table = np.bincount(keys, pixels, minlength=1)
        pairs = np.flatnonzero(table)
        found = table[pairs]
    else:
        pairs, place = np.unique(keys, return_inverse=True)
        found = np.bincount(place.ravel(), pixels, minlength=len(pairs))
        pairs, found = pairs[found > 0], found[found > 0]
    return SharedPixels(pairs // stride, pairs % stride, found.astype(np.int64))


def object_areas(labels: Integers | LabelRuns) -> npt.NDArray[np.int64]:
    """Return the pixels of each object by its id; entry 0 is 0."""
    runs = _runs(labels)
    areas = np.bincount(runs.values, runs.lengths, minlength=1).astype(np.int64)
    areas[0] = 0
    return areas


def best_pairs(pairs: SharedPixels, scores: npt.NDArray[np.floating]) -> SharedPixels:
    """Return pairs in which every object occurs at most once, the best scores first.

    The result is that of going through the pairs by falling score and taking each whose
    objects are both free; of equal scores the lower ids come first. Pairs that are the best
    of both their objects are taken at once, and so on with what is left.
    """
    rank = np.empty(len(scores), np.int64)
    rank[np.lexsort((pairs.second, pairs.first, -scores))] = np.arange(len(scores))
    chosen = np.zeros(len(scores), bool)
    left = np.arange(len(scores))
    while len(left):
        best_of_first = np.full(int(pairs.first.max()) + 1, len(rank))
        best_of_second = np.full(int(pairs.second.max()) + 1, len(rank))
        first, second, ranks = pairs.first[left], pairs.second[left], rank[left]
        np.minimum.at(best_of_first, first, ranks)
        np.minimum.at(best_of_second, second, ranks)
        mutual = (best_of_first[first] == ranks) & (best_of_second[second] == ranks)
        chosen[left[mutual]] = True
        taken_first = np.isin(first, first[mutual])
        taken_second = np.isin(second, second[mutual])
        left = left[~(taken_first | taken_second)]
    return pairs[chosen]


def connected_groups(
    links: npt.NDArray[np.int64], count: int
) -> tuple[int, npt.NDArray[np.integer]]:
    """Return the number of connected groups, and the group of each member.

    Parameters
    ----------
    links
        (N, 2) members, counted from 0, that belong together.
    count
        Number of members.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return 0, np.zeros(0, np.int64)
    ones = np.ones(len(links), bool)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), (count, count))
    groups, group = connected_components(graph, directed=False)
    return int(groups), group
