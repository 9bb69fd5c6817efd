"""Target maps of a segmentation network, made from masks and instance labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.training.data.masks import object_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import TargetRecipe

__all__ = ["diameters_by_label", "distance_map", "equivalent_diameters", "target_maps"]


def distance_map(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the distance of every pixel to the edge of its object, over the object's largest.

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
        One (Y, X) mask or label image for each target; any where it is not taught.
    targets
        Recipe of each target.

    Returns
    -------
    ndarray
        (C, Y, X) float32, in the order of ``SegmentRecipe.output_channels``: in [0, 1], and
        components of unit vectors for flows.
    """
    maps: list[NDArray[np.float32]] = []
    for truth, target in zip(truths, targets, strict=True):
        inside = truth != 0 if target.depth is None else _rim(truth != 0, target.depth)
        if not target.taught:
            maps += [np.zeros(truth.shape, np.float32)] * target.channel_count
            continue
        maps.append((~inside if target.invert else inside).astype(np.float32))
        if target.kind == "labels":
            labels = object_numbers(truth).astype(np.int64)
            maps += [*flow_field(labels)] if target.decoder == "flows" else [distance_map(labels)]
    return np.stack(maps)


def _rim(mask: NDArray[np.bool_], depth: float) -> NDArray[np.bool_]:
    """Return the pixels of a mask up to a distance from its edge; the image's is none."""
    if mask.all():
        return mask
    rim: NDArray[np.bool_] = mask & (ndimage.distance_transform_edt(mask) <= depth)
    return rim


def equivalent_diameters(labels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the diameter in px, of the circle of its area, of each object of (Y, X) labels."""
    diameters = diameters_by_label(labels)
    return diameters[diameters > 0]


def diameters_by_label(labels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the diameter in px of each label from 0 on; 0 of the background and of gaps."""
    areas = np.bincount(labels.ravel().astype(np.int64), minlength=1)
    areas[0] = 0
    diameters: NDArray[np.float64] = np.sqrt(4 * areas / np.pi)
    return diameters
