"""Objects that a model is not sure of: which are doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["DOUBTFUL", "count_doubtful", "sure_enough"]

DOUBTFUL = 0.5  # objects of a lower confidence are wrong more often than right


def sure_enough(confidence: npt.NDArray[np.floating], least: float) -> npt.NDArray[np.bool_]:
    """Return which objects have at least some confidence, or an unknown one (NaN)."""
    return ~(confidence < least)


def count_doubtful(confidence: npt.NDArray[np.floating] | None) -> int | None:
    """Return the number of doubtful objects; None where confidences are unknown."""
    return None if confidence is None else int(np.count_nonzero(confidence < DOUBTFUL))
