"""What is known of partly annotated truth: pixels of each map, and whole objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import TargetRecipe

    T = TypeVar("T", bound=np.generic)

__all__ = ["CLASS_ONLY", "are_known", "known_channels", "known_objects"]

CLASS_ONLY = 2
"""Value of pixels whose foreground or background is known, but not their object's outline."""


def known_channels(
    annotated: NDArray[np.generic], targets: list[TargetRecipe]
) -> NDArray[np.bool_]:
    """Return where each output channel is known.

    Parameters
    ----------
    annotated
        (Y, X): 0 unknown, :data:`CLASS_ONLY`, else all is known.
    targets
        Recipe of each target.

    Returns
    -------
    ndarray
        (C, Y, X) of bool, in the order of ``SegmentRecipe.output_channels``.
    """
    pixels = annotated != 0
    shapes = pixels & (annotated != CLASS_ONLY)
    channels: list[NDArray[np.bool_]] = []
    for target in targets:
        own = [pixels, *([shapes] * (target.channel_count - 1))]
        channels += own if target.taught else [np.zeros_like(pixels)] * target.channel_count
    return np.stack(channels)


def are_known(
    labels: NDArray[np.generic], known: NDArray[np.bool_], least: float = 0.5
) -> NDArray[np.bool_]:
    """Return whether at least a part of each object's pixels is known.

    Parameters
    ----------
    labels
        (Y, X), 0 is background.
    known
        (Y, X).
    least
        The part, from 0 to 1. Default: a half.

    Returns
    -------
    ndarray
        One entry for each label from 0 to the largest.
    """
    whole = labels.astype(np.int64).ravel()
    every = np.bincount(whole)
    kept: NDArray[np.bool_] = np.bincount(whole[known.ravel()], minlength=len(every)) >= (
        least * every
    )
    return kept


def known_objects(labels: NDArray[T], known: NDArray[np.bool_], least: float = 0.5) -> NDArray[T]:
    """Return (Y, X) labels without the objects of which less than a part is known."""
    kept = are_known(labels, known, least)
    known_ones = labels.copy()
    known_ones[~kept[labels.astype(np.int64)]] = 0
    return known_ones
