"""From masks and instance labels to the maps that a network learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import TargetRecipe

__all__ = ["check_truth", "distance_map", "object_numbers", "target_maps"]


def check_truth(truth: NDArray[Any], *, labels: bool) -> str:
    """Return what is wrong with the numbers of a mask or of instances; empty if nothing is.

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
    """Return (Y, X) instances numbered anew, without gaps; 0 stays the background.

    Segmentations of whole volumes number objects up to billions, and look-ups are as long as that.
    Numbers of two bytes stay what they are.
    """
    if truth.dtype.kind in "bui" and truth.itemsize <= 2:
        return truth
    numbers, places = np.unique(truth, return_inverse=True)
    first = int(numbers[0] != 0)
    small = np.min_scalar_type(len(numbers))
    return (places.reshape(truth.shape) + first).astype(small)


def distance_map(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Distance of every pixel to the edge of its own object, over the object's largest.

    Parameters
    ----------
    labels
        (Y, X) instances, 0 = background.

    Returns
    -------
    ndarray
        (Y, X) float32 in [0, 1]: 0 outside, 1 at the innermost pixel of each object. The
        map falls to its lowest between two objects that touch, whatever their size.
    """
    result = np.zeros(labels.shape, np.float32)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        inside = np.pad(labels[box] == index, 1)
        distance = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        view = result[box]
        np.maximum(view, distance / max(float(distance.max()), 1.0), out=view)
    return result


def target_maps(
    truths: list[NDArray[np.generic]], targets: list[TargetRecipe]
) -> NDArray[np.float32]:
    """Stack the maps of all targets.

    Parameters
    ----------
    truths
        One (Y, X) mask or label image for each target.
    targets
        What each is.

    Returns
    -------
    ndarray
        (C, Y, X) float32 in [0, 1], in the order of ``Recipe.output_channels``.
    """
    maps = []
    for truth, target in zip(truths, targets, strict=True):
        inside = truth != 0
        maps.append((~inside if target.invert else inside).astype(np.float32))
        if target.kind == "labels":
            maps.append(distance_map(object_numbers(truth).astype(np.int64)))
    return np.stack(maps)
