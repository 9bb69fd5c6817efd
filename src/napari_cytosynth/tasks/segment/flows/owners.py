"""Owners of pixels: those that end together are one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .bands import bands
from .sinks import PARTS, find_sinks

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


def owners_of_ends(
    ends: npt.NDArray[np.int32],
    flows: npt.NDArray[np.floating],
    probability: npt.NDArray[np.floating] | npt.NDArray[np.bool_],
    diameter: float,
    *,
    full: float = 1.0,
    rows: int | None = None,
) -> Owners:
    """Return the object of every pixel.

    Parameters
    ----------
    ends
        (Y, X) int32: flat index of the pixel where each arrives; -1 where none was followed. It
        is written over.
    flows
        (2, Y, X), components along Y and X.
    probability
        (Y, X), in [0, 1]: how much each pixel counts in the search for sinks.
    diameter
        Of a typical object in px.
    full
        Probability from which on pixels count in full. Default: 1.
    rows
        Rows of the plane at a time; the result is the same. Default: None, all.

    Returns
    -------
    ndarray
        (Y, X) int32: 0 where none was followed and where no object is near, else 1, 2, … in the
        order of their first pixels.
    """
    if not ends.size:
        return ends
    parts = list(bands(ends.shape[0], rows or ends.shape[0]))
    owner = _sinks_of_ends(ends, probability, np.float32(full), parts)
    _settle(owner)
    apart = min(max(round(_APART * diameter), 1), _FARTHEST)
    borders = [
        _borders(owner, flows, distance, parts, int(owner.max(initial=0)) + 1)
        for distance in sorted({1, apart})
    ]
    return _numbered(owner, _join(borders, int(owner.max(initial=0)) + 1), parts)


def number_in_order(owner: Owners) -> Owners:
    """Return the objects numbered 1, 2, … in the order of their first pixels."""
    whole = [slice(0, owner.shape[0])]
    return _numbered(owner.copy(), np.arange(int(owner.max(initial=0)) + 1), whole)


def _numbered(owner: Owners, new: Integers, parts: list[slice]) -> Owners:
    """Write over each owner its `new` object, numbered in the order of first pixels."""
    first = np.full(len(new), owner.size)
    for part in reversed(parts):
        flat = owner[part].ravel()
        inside = np.flatnonzero(flat)[::-1]
        first[flat[inside]] = inside + part.start * owner.shape[1]  # the last write stays
    joined = np.full(int(new.max(initial=0)) + 1, owner.size)
    np.minimum.at(joined, new[1:], first[1:])
    there = np.flatnonzero(joined < owner.size)
    number = np.zeros(len(joined), np.int32)
    number[there[np.argsort(joined[there])]] = np.arange(1, len(there) + 1)
    number = number[new]
    for part in parts:
        owner[part] = np.take(number, owner[part])
    return owner


def _sinks_of_ends(
    ends: Owners, probability: npt.NDArray[Any], full: np.float32, parts: list[slice]
) -> Owners:
    """Write over the end of each pixel its sink: -1 where it reaches none, 0 without an end."""
    table = np.zeros(ends.size, np.float32)
    for part in parts:
        inside = ends[part] >= 0
        weight = np.asarray(probability[part][inside], np.float32) / full
        counts = np.rint(np.clip(weight, 0, 1) * PARTS) / np.float32(PARTS)
        np.add.at(table, ends[part][inside], counts)
    sinks = find_sinks(table, ends.shape)
    sinks[sinks == 0] = -1
    for part in parts:
        inside = ends[part] >= 0
        ends[part] = np.where(inside, np.take(sinks, ends[part], mode="clip"), 0)
    return ends


def _settle(owner: Owners) -> None:
    """Give pixels that reach no sink (-1) the nearest owner, through pixels that were followed.

    Ring by ring around the pixels that have one; the lowest number of several. Pixels without an
    owner in reach get 0.
    """
    width = owner.shape[1] + 2
    padded = np.zeros((owner.shape[0] + 2, width), np.int32)
    padded[1:-1, 1:-1] = owner
    front = np.flatnonzero(_beside(padded == -1) & (padded > 0))
    flat = padded.ravel()
    steps = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
    while len(front):
        own, ring = -1 - flat[front], []  # below -1: reached in this turn
        for step in steps:
            place = front + step
            there = flat[place]
            open_ = np.flatnonzero(there < 0)
            place, there = place[open_], there[open_]
            fresh = there == -1
            # places of one step are different: each is written once
            flat[place] = np.where(fresh, own[open_], np.maximum(there, own[open_]))
            ring.append(place[fresh])
        front = np.concatenate(ring)
        flat[front] = -1 - flat[front]
    np.maximum(padded[1:-1, 1:-1], 0, out=owner)


def _beside(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a mask and their neighbours."""
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    high = wide.copy()
    high[1:] |= wide[:-1]
    high[:-1] |= wide[1:]
    return high


def _join(borders: list[tuple[Integers, Floats, Floats]], count: int) -> Owners:
    """Return the new owner of each, where flows on both sides of a border agree.

    Two objects that touch flow away from their border; the border between two sinks of the same
    object, which noise makes along its midline, is crossed by flows that are parallel. They have
    to agree near the border, as thin objects have no other place, and farther from it, as networks
    blur what is near.
    """
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
    owner: Owners, flows: npt.NDArray[np.floating], apart: int, parts: list[slice], count: int
) -> tuple[Integers, Floats, Floats]:
    """Return the pairs (2, N) of owners that touch, and for each how far flows agree in all.

    Compared are pixels `apart` from those at the border, where both still belong to these owners.
    """
    height = owner.shape[0]
    found = []
    for part in parts:
        start, stop = max(part.start - apart, 0), min(part.stop + 1 + apart, height)
        within = slice(part.start - start, part.stop - start)
        found += _pairs(owner[start:stop], flows[:, start:stop], apart, within)
    keys = [np.sort(pair, axis=0).astype(np.int64) for pair, _, _ in found]
    key = np.concatenate([low * count + high for low, high in keys])
    pairs, place = np.unique(key, return_inverse=True)
    sums = [np.concatenate([part[n] for part in found]) for n in (1, 2)]
    agreement, size = (
        np.bincount(place, values, len(pairs)).astype(np.float64, copy=False) for values in sums
    )
    return np.stack([pairs // count, pairs % count]), agreement, size


def _pairs(
    owner: Owners, flows: npt.NDArray[np.floating], apart: int, within: slice
) -> list[tuple[Integers, Floats, Floats]]:
    """Return owners of pixels side by side (2, N), whose first is in these rows, and agreements."""
    height, width = owner.shape
    found: list[tuple[Integers, Floats, Floats]] = []
    for axis in (0, 1):
        down, right = 1 - axis, axis
        rows = slice(within.start, min(within.stop, height - down))
        below = slice(rows.start + down, rows.stop + down)
        one, other = owner[rows, : width - right], owner[below, right:]
        y, x = np.nonzero((one != other) & (one > 0) & (other > 0))
        pair = np.stack([one[y, x], other[y, x]])
        y += rows.start
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
    return found
