"""Validation of features and stacks of images for the metrics of generated images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["features", "same_width", "stack"]


def features(values: ArrayLike, least: int = 1) -> NDArray[np.float64]:
    """Validate features of at least `least` images; return (N, D) float64."""
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or array.shape[0] < least or not array.shape[1]:
        raise InputError(
            f"Features must be a table of at least {least} images by features, not of shape "
            f"{array.shape}."
        )
    if not np.isfinite(array).all():
        raise InputError("Some features are not numbers: an image may hold NaN.")
    return array


def same_width(
    first: ArrayLike, second: ArrayLike, least: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Validate two tables of features of equal width; return them as float64."""
    a, b = features(first, least), features(second, least)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"The two sets have {a.shape[1]} and {b.shape[1]} features for each image: take "
            "both from the same extractor."
        )
    return a, b


def stack(images: ArrayLike, like: NDArray[Any] | None = None) -> NDArray[Any]:
    """Validate images (N, C, Y, X), with the channels and size of `like` if it is not None."""
    array = np.asarray(images)
    if array.ndim != 4 or not array.size:
        raise InputError(f"Images must have the axes sample, channel, y, x, not {array.shape}.")
    if like is not None and array.shape[1:] != like.shape[1:]:
        raise InputError(
            f"The two sets of images differ in channels or size: {array.shape[1:]} and "
            f"{like.shape[1:]}."
        )
    if not np.isfinite(array).all():
        raise InputError("Some pixels are not numbers.")
    return array
