"""Owners of pixels: each is followed along the flows, and those that end together are one object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["find_owners"]

_EIGHT = np.ones((3, 3), bool)


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
        (Y, X) int32: 0 outside the mask, else 1, 2, …
    """
    ends = _follow(flows, mask, steps)
    y, x = np.nonzero(mask)
    landed = np.zeros(mask.shape, np.float32)
    np.add.at(landed, tuple(ends), 1)
    density = ndimage.gaussian_filter(landed, 1.0)
    core = (density > 0.5) & (density >= 0.1 * ndimage.maximum_filter(density, 11))
    sinks = ndimage.label(ndimage.binary_dilation(core, _EIGHT), _EIGHT, output=np.int32)[0]
    owner = np.zeros(mask.shape, np.int32)
    owner[y, x] = sinks[tuple(ends)]
    parts = ndimage.label(mask, _EIGHT)[0]
    lost = mask & (owner == 0)
    if lost.any():
        near = ndimage.distance_transform_edt(
            owner == 0, return_distances=False, return_indices=True
        )
        found = owner[tuple(near)]
        owner[lost] = np.where(parts[tuple(near)] == parts, found, 0)[lost]
    return owner


def _follow(
    flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], steps: float
) -> npt.NDArray[np.intp]:
    """Return the (2, N) pixels where those of the mask arrive.

    A walk of 2n steps is one of n steps from where one of n steps leads to: doubling needs as
    many rounds as the number of steps has binary digits.
    """
    length = np.maximum(np.hypot(*flows), 1e-6)
    moved = np.where(mask, flows / length, 0).astype(np.float32)
    start = np.array(np.nonzero(mask))
    limit = np.array(mask.shape)[:, None] - 1
    for _ in range(max(1, math.ceil(math.log2(max(steps, 2))))):
        here = moved[:, start[0], start[1]]
        there = np.clip(np.rint(start + here), 0, limit).astype(np.intp)
        moved[:, start[0], start[1]] = here + moved[:, there[0], there[1]]
    ends = np.rint(start + moved[:, start[0], start[1]])
    return np.clip(ends, 0, limit).astype(np.intp)
