"""Owners of pixels: those that end together are one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .sinks import find_sinks

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]
    Floats = npt.NDArray[np.float64]
    Owners = npt.NDArray[np.int32]

__all__ = ["number_in_order", "owners_of_ends"]

_AGREEMENT = 0.4  # mean cosine across a border above which it does not separate two objects
_APART = 0.09  # diameters on each side of a border that flows are compared at: nearer, they blur
_FARTHEST = 4  # px
_STEPS = 100  # of the integers that directions are rounded to, so that sums are exact
_ROUNDS = 8
_WHOLE = 64  # weight in a sink of a pixel that is certainly foreground


def owners_of_ends(
    ends: npt.NDArray[np.int32],
    flows: npt.NDArray[np.floating],
    weight: npt.NDArray[np.floating],
    diameter: float,
) -> Owners:
    """Return the object of every pixel.

    Parameters
    ----------
    ends
        (Y, X) int32: flat index of the pixel where each arrives; -1 where none was followed.
    flows
        (2, Y, X), components along Y and X.
    weight
        (Y, X), in [0, 1]: how much each pixel counts in the search for sinks.
    diameter
        Of a typical object in px.

    Returns
    -------
    ndarray
        (Y, X) int32: 0 where none was followed and where no object is near, else 1, 2, … in the
        order of their first pixels.
    """
    inside = np.flatnonzero(ends.ravel() >= 0)
    owner: Owners = np.zeros(ends.size, np.int32)
    arrived = ends.ravel()[inside]
    counts = np.rint(np.clip(weight.ravel()[inside], 0, 1) * _WHOLE)
    owner[inside] = find_sinks(arrived, counts / _WHOLE, ends.shape)
    owner = owner.reshape(ends.shape)
    _settle(owner, inside)
    apart = min(max(round(_APART * diameter), 1), _FARTHEST)
    return number_in_order(_join(owner, flows, apart)[owner])


def number_in_order(owner: Owners) -> Owners:
    """Return the objects numbered 1, 2, … in the order of their first pixels."""
    flat = owner.ravel()
    first = np.full(int(flat.max(initial=0)) + 1, flat.size)
    inside = np.flatnonzero(flat)[::-1]
    first[flat[inside]] = inside  # of several writes, the last one stays
    first[0] = flat.size
    there = np.flatnonzero(first < flat.size)
    new = np.zeros(len(first), np.int32)
    new[there[np.argsort(first[there])]] = np.arange(1, len(there) + 1)
    return new[owner]


def _settle(owner: Owners, inside: Integers) -> None:
    """Give pixels that reach no sink the nearest owner, through pixels that were followed.

    Ring by ring around the pixels that have one; the lowest number of several.
    """
    width = owner.shape[1] + 2
    place = (inside // owner.shape[1] + 1) * width + inside % owner.shape[1] + 1
    padded = np.zeros((owner.shape[0] + 2) * width, np.int32)
    padded[place] = owner.ravel()[inside]
    ring = place[padded[place] == 0]
    waiting = np.zeros(len(padded), bool)
    waiting[ring] = True
    turn = np.zeros(len(padded), np.int32)
    steps = np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    while len(ring):
        near = padded[ring[:, None] + steps]
        near[near == 0] = np.iinfo(np.int32).max
        found = near.min(axis=1)
        reached = found < np.iinfo(np.int32).max
        ring, found = ring[reached], found[reached]
        padded[ring] = found
        waiting[ring] = False
        around = (ring[:, None] + steps).ravel()
        around = around[waiting[around]]
        turn[around] = np.arange(len(around))  # of several writes one stays: each pixel once
        ring = around[turn[around] == np.arange(len(around))]
    owner.ravel()[inside] = padded[place]


def _join(owner: Owners, flows: npt.NDArray[np.floating], apart: int) -> Owners:
    """Return the new owner of each, where flows on both sides of a border agree.

    Two objects that touch flow away from their border; the border between two sinks of the same
    object, which noise makes along its midline, is crossed by flows that are parallel. They have
    to agree near the border, as thin objects have no other place, and farther from it, as networks
    blur what is near.
    """
    borders = [_borders(owner, flows, distance) for distance in sorted({1, apart})]
    count = int(owner.max(initial=0)) + 1
    new = np.arange(count, dtype=np.int32)
    for _ in range(_ROUNDS):
        found = [_agreeing(new[pairs], sums, size, count) for pairs, sums, size in borders]
        same = found[0]
        for others in found[1:]:
            same = np.intersect1d(same, others, assume_unique=True)
        if not len(same):
            break
        one, other = same // count, same % count
        graph = coo_array((np.ones(len(same)), (one, other)), shape=(count, count))
        new = connected_components(graph, directed=False)[1].astype(np.int32)[new]
    new += 1
    new[0] = 0
    return new


def _agreeing(pairs: Integers, agreement: Floats, size: Floats, count: int) -> Integers:
    """Return the pairs, as one number each, across whose border the flows agree."""
    one, other = np.sort(pairs, axis=0)
    keys, border = np.unique(one.astype(np.int64) * count + other, return_inverse=True)
    total = np.bincount(border, agreement, len(keys))
    agree = total > _AGREEMENT * np.bincount(border, size, len(keys))
    found: Integers = keys[agree & (keys // count != keys % count)]
    return found


def _borders(
    owner: Owners, flows: npt.NDArray[np.floating], apart: int
) -> tuple[Integers, Floats, Floats]:
    """Return pairs (2, N) of owners that touch, and for pairs of pixels how far flows agree.

    Compared are pixels `apart` from those at the border, where both still belong to these owners.
    """
    height, width = owner.shape
    found = []
    for axis in (0, 1):
        down, right = 1 - axis, axis
        one, other = owner[: height - down, : width - right], owner[down:, right:]
        y, x = np.nonzero((one != other) & (one > 0) & (other > 0))
        pair = np.stack([one[y, x], other[y, x]])
        before = np.maximum(y - apart * down, 0), np.maximum(x - apart * right, 0)
        after = (
            np.minimum(y + (apart + 1) * down, height - 1),
            np.minimum(x + (apart + 1) * right, width - 1),
        )
        inside = (owner[before] == pair[0]) & (owner[after] == pair[1])
        before, after = ((y[inside], x[inside]) for y, x in (before, after))
        first = flows[:, before[0], before[1]].astype(np.float64)
        second = flows[:, after[0], after[1]].astype(np.float64)
        agreement = np.rint(_STEPS * (first * second).sum(axis=0))
        size = np.rint(_STEPS * np.hypot(*first) * np.hypot(*second))
        found.append((pair[:, inside], agreement, size))
    pairs, agreement, size = (np.concatenate(part, axis=-1) for part in zip(*found, strict=True))
    return pairs, agreement, size
