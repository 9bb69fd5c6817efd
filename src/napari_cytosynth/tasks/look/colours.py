"""Values of a column as places on a scale of colours."""

from __future__ import annotations

import numpy as np

__all__ = ["LEVELS", "LIT", "UNKNOWN", "levels_of"]

LEVELS = 128
"""Steps of the scale: more are not told apart, and 8-bit textures hold no more than 255."""
LIT = np.array([1.0, 0.1, 0.6, 1.0], np.float32)
"""Of what is selected. Pink: neither a colour of viridis nor the white of most images."""
UNKNOWN = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
"""Of objects without a value: grey."""


def levels_of(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the step on the scale of each value.

    Parameters
    ----------
    values
        float of any shape.
    low, high
        Values of the first and the last step; where they are equal, all are in the middle.

    Returns
    -------
    ndarray
        int64 in [0, LEVELS - 1], and -1 where the value is NaN.
    """
    known = np.isfinite(values)
    if high > low:
        share = (np.where(known, values, low) - low) / (high - low)
    else:
        share = np.full(values.shape, 0.5)
    steps = np.round(np.clip(share, 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)
    return np.where(known, steps, -1)
