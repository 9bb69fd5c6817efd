"""Objects that a model is not sure of: which are doubtful, and leaving them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["DOUBTFUL", "count_doubtful", "drop_doubtful", "sure_enough"]

DOUBTFUL = 0.5  # objects of a lower confidence are wrong more often than right


def sure_enough(confidence: npt.NDArray[np.floating], least: float) -> npt.NDArray[np.bool_]:
    """Return which objects have at least some confidence, or an unknown one (NaN)."""
    return ~(confidence < least)


def count_doubtful(confidence: npt.NDArray[np.floating] | None) -> int | None:
    """Return the number of doubtful objects; None where confidences are unknown."""
    return None if confidence is None else int(np.count_nonzero(confidence < DOUBTFUL))


def drop_doubtful(
    labels: npt.NDArray[np.int32],
    planes: Iterable[tuple[int | slice, ...]],
    confidence: npt.NDArray[np.floating],
    least: float,
) -> None:
    """Set objects of too low a confidence to 0, in place; the others keep their numbers.

    Parameters
    ----------
    labels
        int32 labels of a stack.
    planes
        The places of its planes.
    confidence
        In each object, by its label from 0 on.
    least
        Objects of less are dropped.
    """
    keep = sure_enough(confidence, least)
    keep[0] = True
    if not keep.all():
        numbers = np.where(keep, np.arange(len(keep)), 0).astype(np.int32)
        for where in planes:
            labels[where] = np.take(numbers, labels[where])
