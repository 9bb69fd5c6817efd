"""The walk of every pixel along the flows, to where its object gathers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .sinks import find_sinks, settle

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.int32]

__all__ = ["find_owners", "follow", "walk_length"]

_FINE_ROUNDS = 4  # 2⁴ steps to a fraction of a pixel, as far as the flows' directions matter
_MARGIN = 2**_FINE_ROUNDS + 2


def walk_length(diameter: float) -> int:
    """Return the steps of a walk (a power of two) for objects of a typical diameter in px.

    Eight radii at least: objects longer than typical, and bent ones, are to be crossed too.
    """
    return 2 ** math.ceil(math.log2(max(4 * diameter, 32)))


def find_owners(
    flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], steps: float
) -> npt.NDArray[np.int32]:
    """Return the object of every pixel of a mask.

    Parameters
    ----------
    flows
        (2, Y, X), of any length: only the directions count.
    mask
        (Y, X), the pixels that are followed.
    steps
        Length of the walk in px, at least.

    Returns
    -------
    ndarray
        (Y, X) int32: 0 outside the mask and where no object is near, else 1, 2, … in the order
        of their first pixels.
    """
    inside = np.flatnonzero(mask).astype(np.int32)
    ends = inside[follow(flows, mask, steps)]
    owner = np.zeros(mask.size, np.int32)
    owner[inside] = find_sinks(ends, mask.shape)
    return settle(owner.reshape(mask.shape), mask)


def follow(flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], steps: float) -> Places:
    """Return where each pixel of a mask arrives.

    A walk of 2n steps is one of n steps from where one of n steps leads to: doubling needs as
    many rounds as the number of steps has binary digits. The first rounds keep fractions of a
    pixel. A step that would leave the mask is not made.

    Parameters
    ----------
    flows
        (2, Y, X), of any length: only the directions count.
    mask
        (Y, X), the pixels that are followed.
    steps
        Length of the walk in px, at least.

    Returns
    -------
    ndarray
        (N,) int32: for each of the N pixels of the mask, in raster order, which of these it
        reaches.
    """
    rounds = max(1, math.ceil(math.log2(max(steps, 2))))
    ends = _first_steps(flows, mask, min(rounds, _FINE_ROUNDS))
    for _ in range(rounds - _FINE_ROUNDS):
        ends = ends[ends]
    return ends


def _first_steps(
    flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], rounds: int
) -> Places:
    """Return the pixels (by their number in raster order) after 2 ** rounds steps."""
    y, x = np.nonzero(mask)
    # the margin makes each pixel within reach a valid one
    width = mask.shape[1] + 2 * _MARGIN
    index = np.full((mask.shape[0] + 2 * _MARGIN, width), -1, np.int32)
    index[y + _MARGIN, x + _MARGIN] = np.arange(len(y), dtype=np.int32)
    index = index.ravel()
    home = np.stack([y, x]).astype(np.float32) + _MARGIN
    moved = np.asarray(flows, np.float32)[:, y, x]
    moved /= np.maximum(np.hypot(*moved), 1e-6)
    ends = np.arange(len(y), dtype=np.int32)
    # before the first step, no pixel has moved, and the step is its own
    for turn in range(rounds + 1):
        there = moved if turn == 0 else moved + moved[:, ends]
        reached = _pixels(home + there, index, width)
        outside = np.flatnonzero(reached < 0)
        if turn:
            via = ends[outside]
            there[:, outside] = home[:, via] + moved[:, via] - home[:, outside]
            reached[outside] = ends[via]
        else:
            there[:, outside] = 0
            reached[outside] = outside
        moved, ends = there, reached
    return ends


def _pixels(places: npt.NDArray[np.float32], index: Places, width: int) -> Places:
    """Return the number of the pixel at each place (2, N), -1 outside the mask."""
    flat = np.rint(places[0]).astype(np.int32)
    flat *= width
    flat += np.rint(places[1]).astype(np.int32)
    return index[flat]
