"""Validation of masks and instances as read, and renumbering of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_truth", "object_numbers"]


def check_truth(truth: NDArray[Any], *, labels: bool) -> str:
    """Return why the values of a mask or of instances are invalid; empty if they are valid.

    Parameters
    ----------
    truth
        (Y, X).
    labels
        Whether each object has a number of its own.
    """
    if truth.dtype.kind not in "buif":
        return f"it has values of type {truth.dtype}"
    if truth.dtype.kind == "f" and not np.isfinite(truth).all():
        return "it has NaN or infinite numbers"
    if labels and truth.dtype.kind == "f" and (truth != np.floor(truth)).any():
        return "it has fractions instead of the whole numbers of objects (are these probabilities?)"
    if labels and truth.dtype.kind in "if" and (truth < 0).any():
        return "it has numbers below 0, but background is 0 and objects are 1, 2, 3 …"
    return ""


def object_numbers(truth: NDArray[Any]) -> NDArray[Any]:
    """Renumber (Y, X) instances without gaps; 0 stays the background.

    Segmentations of whole volumes number objects up to billions, and look-up tables would be as
    long as that. Arrays of two bytes stay as they are.
    """
    if truth.dtype.kind in "bui" and truth.itemsize <= 2:
        return truth
    numbers, places = np.unique(truth, return_inverse=True)
    first = int(numbers[0] != 0)
    small = np.min_scalar_type(len(numbers))
    return (places.reshape(truth.shape) + first).astype(small)
