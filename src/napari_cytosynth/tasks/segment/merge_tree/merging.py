"""The order in which basins merge, as one row of all basins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = ["merge_order"]

_ABOVE = 1 << 13  # higher than any level


def merge_order(
    left: Integers, right: Integers, level: Integers, count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint16]]:
    """Return a row of all basins in which the components of every level are runs.

    It is that of the leaves of a single-linkage dendrogram.

    Parameters
    ----------
    left, right, level
        Pairs of basins, each once, and the highest level at which they touch. All basins are
        connected.
    count
        Number of the basins.

    Returns
    -------
    order
        (count,): the basins.
    joins
        (count - 1,): at this level and below, a basin of the row is in one component with the next.
    """
    graph = csr_array((_ABOVE - level.astype(np.float64), (left, right)), shape=(count, count))
    tree = minimum_spanning_tree(graph, overwrite=True).tocoo()
    highest_first = np.argsort(tree.data, kind="stable")
    edges = tree.row[highest_first].tolist(), tree.col[highest_first].tolist()
    levels = (_ABOVE - tree.data[highest_first]).astype(np.uint16)
    follower, joined = _chain(*edges, count)
    order = _row(follower)
    join = np.zeros(count, np.uint16)
    join[joined] = levels
    return order, join[order[:-1]]


def _chain(left: list[int], right: list[int], count: int) -> tuple[list[int], list[int]]:
    """Append rows of basins to each other, edge by edge.

    Return the follower of each basin (-1: none), and the basin whose follower each edge is.
    """
    root, tail, size = list(range(count)), list(range(count)), [1] * count
    head, follower = list(range(count)), [-1] * count
    joined = []
    for one, other in zip(left, right, strict=True):
        while one != root[one]:
            root[one] = one = root[root[one]]
        while other != root[other]:
            root[other] = other = root[root[other]]
        if size[one] < size[other]:
            one, other = other, one
        end = tail[one]
        joined.append(end)
        follower[end] = head[other]
        tail[one] = tail[other]
        root[other] = one
        size[one] += size[other]
    return follower, joined


def _row(follower: list[int]) -> npt.NDArray[np.intp]:
    """Return the basins in the order of a chain."""
    first = np.ones(len(follower) + 1, bool)
    first[follower] = False  # that of the last is -1: the additional entry
    order, basin = [], int(np.flatnonzero(first[:-1])[0])
    while basin >= 0:
        order.append(basin)
        basin = follower[basin]
    return np.array(order, np.intp)
