"""The window of an image of which a model is least certain: there strokes teach it most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Window", "uncertain_window"]

Window = tuple[slice, slice]
"""Rows and columns."""


def uncertain_window(
    probability: NDArray[Any],
    painted: NDArray[np.bool_],
    side: int,
    offered: Sequence[Window] = (),
) -> tuple[Window, float] | None:
    """Return the window with the largest entropy of foreground or background.

    Parameters
    ----------
    probability
        (Y, X) in [0, 1], of foreground.
    painted
        (Y, X), where the truth is known already: there nothing is uncertain.
    side
        Side of the window in px, at most that of the image.
    offered
        Windows that count as known, too. Default: none.

    Returns
    -------
    tuple or None
        The window, and its mean entropy in bits per pixel, from 0 to 1. None if there is nothing
        uncertain left.
    """
    entropy = _entropy(probability)
    entropy[painted] = 0
    for window in offered:
        entropy[window] = 0
    height, width = (min(side, size) for size in entropy.shape)
    sums = np.zeros((entropy.shape[0] + 1, entropy.shape[1] + 1))
    sums[1:, 1:] = entropy.cumsum(0).cumsum(1)
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
    boxes += sums[:-height, :-width]
    y, x = (int(at) for at in np.unravel_index(int(boxes.argmax()), boxes.shape))
    mean = float(boxes[y, x] / (height * width))
    if mean < 1e-9:  # rounding of the sums
        return None
    return (slice(y, y + height), slice(x, x + width)), mean


def _entropy(probability: NDArray[Any]) -> NDArray[np.float64]:
    p = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    found: NDArray[np.float64] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    found[(probability <= 0) | (probability >= 1)] = 0
    return found
