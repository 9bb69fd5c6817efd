"""Sinks: the places where the walks of an object's pixels end, and the pixels that reach none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = ["find_sinks", "settle"]

_NEAR = [(y, x) for y in range(-1, 2) for x in range(-1, 2)]
_WIDE = [(y, x) for y in range(-3, 4) for x in range(-3, 4) if y * y + x * x <= 9]
_SADDLE = 0.2
_MIN_MASS = 8

def find_sinks(ends, shape, *, saddle=_SADDLE, min_mass=_MIN_MASS, wide=_WIDE):
    """Number (1, 2, …, 0: none) of the sink of each end (flat index)."""
    size = shape[0] * shape[1]
    landed = np.bincount(ends, minlength=size) if size else np.zeros(0, np.int64)
    places = np.flatnonzero(landed)
    mass = landed[places]
    near = _Neighbours(places, shape)
    density = np.zeros(len(places))
    for step in _NEAR:
        other = near.at(step)
        density += np.where(other >= 0, mass[other], 0) * (4 if step==(0,0) else 2 if 0 in step else 1)
    # climb
    best = np.arange(len(places)); top = density.copy()
    for step in wide:
        other = near.at(step)
        better = (other >= 0) & ((density[other] > top) | ((density[other] == top) & (other < best)))
        best[better] = other[better]; top[better] = density[other[better]]
    while True:
        further = best[best]
        if np.array_equal(further, best): break
        best = further
    # merge by saddles
    left, right = [], []
    for step in [(0,1),(1,-1),(1,0),(1,1),(0,2),(2,0),(1,2),(2,1),(-1,2),(-2,1)]:
        other = near.at(step)
        one = np.flatnonzero((other >= 0) & (best != best[other]))
        a, b = one, other[one]
        ok = np.minimum(density[a], density[b]) >= saddle * np.minimum(density[best[a]], density[best[b]])
        left.append(best[a][ok]); right.append(best[b][ok])
    left, right = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(places),) * 2)
    part = connected_components(graph, directed=False)[1]
    sink = part[best]
    total = np.bincount(sink, mass)
    good = total >= min_mass
    number = np.where(good, np.cumsum(good), 0)
    table = np.zeros(size, np.int32)
    table[places] = number[sink]
    return table[ends]


class _Neighbours:
    def __init__(self, places, shape):
        self.width = shape[1] + 6
        self.places = (places // shape[1] + 3) * self.width + places % shape[1] + 3
        self.index = np.full((shape[0] + 6) * self.width, -1, np.int32)
        self.index[self.places] = np.arange(len(places))
    def at(self, step):
        return self.index[self.places + step[0] * self.width + step[1]]


def settle(owner, mask):
    """Give pixels that reach no sink the nearest owner, through the mask. In place."""
    shape = owner.shape
    width = shape[1] + 2
    padded = np.pad(np.where(mask, owner, -1), 1, constant_values=-1).ravel()
    steps = np.array([-width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1])
    lost = np.flatnonzero(padded == 0)
    while len(lost):
        near = padded[lost[:, None] + steps]
        pick = (near > 0).argmax(axis=1)
        found = near[np.arange(len(lost)), pick]
        got = found > 0
        if not got.any(): break
        padded[lost[got]] = found[got]
        lost = lost[~got]
    out = padded.reshape(shape[0] + 2, width)[1:-1, 1:-1]
    return np.maximum(out, 0)
