"""Basins of a plane: all pixels from which the steepest way up ends at the same maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ascending_basins", "highest_saddles"]

# a neighbour's direction, below its level: of equal levels, those before a pixel in raster order
# come first, the pixel itself second, so that no way up is a circle
_SELF = 7
_BITS = 16
_LOWEST = 13  # bits of the level in a key
_NUMBER = 25  # bits of the number of a basin in a key


def ascending_basins(
    image: npt.NDArray[np.uint16], connectivity: int
) -> tuple[npt.NDArray[np.int32], int]:
    """Return the basin of each pixel, from 0 on, and their number.

    A pixel is connected to the maximum of its basin by pixels that are at least as high. A flat
    area may be more than one basin.

    Parameters
    ----------
    image
        (Y, X), at most 4094.
    connectivity
        1 for four neighbours, 2 for eight.
    """
    up = _follow(_highest_neighbours(image, connectivity))
    tops = np.flatnonzero(up == np.arange(up.size, dtype=np.int32))
    number = np.empty(up.size, np.int32)
    number[tops] = np.arange(len(tops), dtype=np.int32)
    return np.take(number, up).reshape(image.shape), len(tops)


def _highest_neighbours(image: npt.NDArray[np.uint16], connectivity: int) -> npt.NDArray[np.int32]:
    """Return the index of each pixel's highest neighbour; its own, if none is as high."""
    height, width = image.shape
    padded = np.zeros((height + 2, width + 2), np.uint16)
    np.multiply(image + np.uint16(1), _BITS, out=padded[1:-1, 1:-1])
    best = padded[1:-1, 1:-1] + np.uint16(_SELF)
    key = np.empty_like(best)
    steps = np.zeros(_BITS, np.int32)
    before, after = iter(range(_SELF + 1, _BITS)), iter(range(_SELF))
    for y, x in np.ndindex(3, 3):
        if (y, x) == (1, 1) or (connectivity == 1 and y != 1 and x != 1):
            continue
        code = next(before if (y, x) < (1, 1) else after)
        steps[code] = (y - 1) * width + x - 1
        np.add(padded[y : y + height, x : x + width], np.uint16(code), out=key)
        np.maximum(best, key, out=best)
    up = np.take(steps, np.bitwise_and(best, _BITS - 1, out=best).ravel())
    up += np.arange(image.size, dtype=np.int32)
    return up


def _follow(up: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the end of the way from each pixel, given the next pixel on it."""
    while True:
        further = np.take(up, up)
        moving = np.flatnonzero(further != up)
        up = further
        if len(moving) * 4 < up.size:
            break
    while len(moving):  # long ways, through flat areas, are few
        further = up[up[moving]]
        went_on = further != up[moving]
        up[moving] = further
        moving = moving[went_on]
    return up


def highest_saddles(
    image: npt.NDArray[np.uint16], basins: npt.NDArray[np.int32], connectivity: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return pairs of basins that touch, each once, and the highest level at which they do.

    Parameters
    ----------
    image
        (Y, X), at most 4094.
    basins
        (Y, X), of :func:`ascending_basins`.
    connectivity
        1 for four neighbours, 2 for eight. Of diagonal neighbours, pairs are left out that two
        others join at the same level.

    Raises
    ------
    InputError
        If there are more than 33 million basins.
    """
    flat, grey = basins.ravel(), image.ravel()
    if int(flat.max()) >> _NUMBER:
        raise InputError("The plane has too many maxima to prepare all thresholds: smooth it.")
    left, right = _pairs_between(image, flat, connectivity)
    level = np.minimum(grey[left], grey[right])
    one, other = flat[left].astype(np.int64), flat[right].astype(np.int64)
    pair = np.minimum(one, other) << _NUMBER | np.maximum(one, other)
    key = pair << _LOWEST | level
    key.sort()
    pair = key >> _LOWEST
    last = np.diff(pair, append=-1) != 0
    pair, highest = pair[last], key[last] & ((1 << _LOWEST) - 1)
    number = (1 << _NUMBER) - 1
    return (pair >> _NUMBER).astype(np.int32), (pair & number).astype(np.int32), highest


def _pairs_between(
    image: npt.NDArray[np.uint16], basin: npt.NDArray[np.int32], connectivity: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the indices of neighbouring pixels in different basins."""
    grey, width = image.ravel(), image.shape[1]
    differ = basin[:-1] != basin[1:]
    differ[width - 1 :: width] = False  # the end of a row is no neighbour of the next
    across, down = np.flatnonzero(differ), np.flatnonzero(basin[:-width] != basin[width:])
    pairs = [(across, across + 1), (down, down + width)]
    if connectivity == 2 and image.size > width:
        corner = grey[: -width - 1], grey[width + 1 :], grey[1:-width], grey[width:-1]
        for (a, b, c, d), first, second in (
            (corner, 0, width + 1),
            (corner[2:] + corner[:2], 1, width),
        ):
            differ = np.minimum(a, b) > np.maximum(c, d)
            differ[width - 1 :: width] = False
            at = np.flatnonzero(differ)
            at = at[basin[at + first] != basin[at + second]]
            pairs.append((at + first, at + second))
    left, right = zip(*pairs, strict=True)
    return np.concatenate(left), np.concatenate(right)
