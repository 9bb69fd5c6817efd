"""Which planes, or parts of planes, of wholly known images are held out of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["ALL", "TRAINING", "VALIDATING", "hold_planes"]

TRAINING, VALIDATING, ALL = "learned", "held-out", "all"
"""Folders of what trains, of what validates, and of what does both."""

_FEWEST = 5  # planes of which whole ones are held out
_PART = 5  # one in so many
_GAP = 16  # px between what trains and what validates in one plane

Window = tuple[slice, slice]


def hold_planes(
    planes: Sequence[NDArray[Any]],
    seed: int,
    least: int,
    usable: Callable[[NDArray[Any]], bool] = lambda part: True,
) -> list[tuple[str, int, Window]]:
    """Hold out one plane in five; of fewer than five, a fifth at one end of each.

    Parameters
    ----------
    planes
        (C, Y, X) each.
    seed
        Seed of the choice.
    least
        Least side in px of a part.
    usable
        Whether a plane, or a part of one, can validate. Default: every one can.

    Returns
    -------
    list of (str, int, window)
        Folder, number of the plane, and its rows and columns. All planes lie in :data:`ALL` if
        nothing can be held out.
    """
    rng = np.random.default_rng(seed)
    order = [int(n) for n in rng.permutation(len(planes))]
    if len(planes) >= _FEWEST:
        count = max(1, round(len(planes) / _PART))
        chosen = [n for n in order if usable(planes[n])][:count]
        if chosen:
            parts = [VALIDATING if n in chosen else TRAINING for n in range(len(planes))]
            return [(part, n, _whole(planes[n])) for n, part in enumerate(parts)]
    ends = [_ends(plane, least, usable, int(rng.integers(2))) for plane in planes]
    if not any(ends):
        return [(ALL, n, _whole(plane)) for n, plane in enumerate(planes)]
    found: list[tuple[str, int, Window]] = []
    for n, end in enumerate(ends):
        if end is None:
            found.append((TRAINING, n, _whole(planes[n])))
        else:
            found += [(TRAINING, n, end[0]), (VALIDATING, n, end[1])]
    return found


def _whole(plane: NDArray[Any]) -> Window:
    return slice(0, plane.shape[-2]), slice(0, plane.shape[-1])


def _ends(
    plane: NDArray[Any], least: int, usable: Callable[[NDArray[Any]], bool], first: int
) -> tuple[Window, Window] | None:
    """Return what of a plane trains, and the end of its longer side that validates."""
    axis = int(np.argmax(plane.shape[-2:]))
    length, other = plane.shape[-2 + axis], plane.shape[-1 - axis]
    held = max(length // _PART, least)
    if other < least or length - held - _GAP < held:
        return None
    pairs = [
        (slice(held + _GAP, length), slice(0, held)),
        (slice(0, length - held - _GAP), slice(length - held, length)),
    ]
    for number in (first, 1 - first):
        train, validate = (
            (part, slice(0, other)) if axis == 0 else (slice(0, other), part)
            for part in pairs[number]
        )
        if usable(plane[:, *validate]) and usable(plane[:, *train]):
            return train, validate
    return None
