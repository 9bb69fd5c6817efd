"""Instance labels from a probability plane.

Foreground is *at or above* the threshold. Objects are 8-connected, holes
4-connected: the pair of connectivities for which a closed outline has one inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.arguments import check_flag, check_number, check_whole
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Splitting

__all__ = [
    "LabelOptions",
    "drop_labels",
    "foreground",
    "keep_objects",
    "label_plane",
    "without_labels",
]

_EIGHT = np.ones((3, 3), bool)
_DISTANCE_SMOOTHING = 1.5  # px; enough to melt the ripples of a pixelated outline
_DISTANCE_DEPTH = 0.75  # px; a neck that is narrower by less than twice this is no neck


@dataclass(frozen=True)
class LabelOptions:
    """Options of the labelling: threshold, size, holes, splitting and border.

    Attributes
    ----------
    threshold
        Pixels at or above this probability are foreground, in [0, 1].
    min_size
        Objects of fewer pixels are dropped. Default: 0.
    fill_holes
        Fill the holes of objects; an object inside a hole becomes part of it, unless touching
        objects are split by flows: then it stays its own, and the hole is none. Default: False.
    split_touching
        Separate touching objects: by flows if the model has them, else by seeds and a watershed.
        Default: False.
    drop_border
        Drop objects that touch the border of the plane. Default: False.
    link_planes
        Along the axis Z, objects of neighbouring planes that overlap are one object; then
        `min_size` counts voxels, and `drop_border` drops whole objects. Without that axis it
        has no effect. Default: True.
    min_confidence
        Objects of a lower confidence are dropped, in [0, 1]. It has no effect where the model
        gives no confidences. Default: 0.
    """

    threshold: float
    min_size: int = 0
    fill_holes: bool = False
    split_touching: bool = False
    drop_border: bool = False
    link_planes: bool = True
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        values = {
            "threshold": check_number(self.threshold, "threshold", 0, 1),
            "min_size": check_whole(self.min_size, "min_size", 0),
            "min_confidence": check_number(self.min_confidence, "min_confidence", 0, 1),
        }
        for name in ("fill_holes", "split_touching", "drop_border", "link_planes"):
            values[name] = check_flag(getattr(self, name), name)
        for name, value in values.items():
            object.__setattr__(self, name, value)  # as plain values, for the record


def foreground(
    probability: npt.NDArray[np.floating], options: LabelOptions
) -> npt.NDArray[np.bool_]:
    """Return which pixels of a plane are at or above the threshold, holes filled if asked."""
    mask = probability >= options.threshold
    return ndimage.binary_fill_holes(mask) if options.fill_holes else mask


def label_plane(
    probability: npt.NDArray[np.floating],
    seeds: npt.NDArray[np.floating] | None,
    options: LabelOptions,
    splitting: Splitting | None = None,
) -> npt.NDArray[np.int32]:
    """Label the objects of one plane by its probability, and seeds or distances.

    Objects that flows separate are not made here: see ``Segmentation.label_plane``.

    Parameters
    ----------
    probability
        (Y, X), in [0, 1]; NaN is background.
    seeds
        (Y, X), the output channel that marks the middle of each object, or None.
    options
        Threshold, minimum size in px, holes, splitting and border.
    splitting
        How touching objects are separated, from the model's card. Where this (the default)
        or `seeds` is None, ``split_touching`` uses the distance to the outline instead.

    Returns
    -------
    ndarray
        (Y, X) int32: 0 is background, objects are 1 … n without gaps.

    Raises
    ------
    InputError
        If `probability` is not a plane or `seeds` has another shape.
    """
    if probability.ndim != 2:
        raise InputError(f"One plane (Y, X) is labelled at a time, not {probability.ndim} axes.")
    mask = foreground(probability, options)
    if options.split_touching and mask.any():
        labels = _split(mask, seeds, splitting)
    else:
        labels = ndimage.label(mask, _EIGHT, output=np.int32)[0]
    return drop_labels(labels, options.min_size, options.drop_border)


def without_labels(
    labels: npt.NDArray[np.int32],
    ids: npt.NDArray[np.integer],
    *,
    out: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.int32]:
    """Return labels without some objects, the rest numbered without gaps.

    Parameters
    ----------
    labels
        (Y, X) int32, 0 is background, objects are 1 … n without gaps.
    ids
        Of the objects to leave out; 0 is none, and repetitions are no harm.
    out
        Array for the result; it may be `labels`. None (default) allocates it.
    """
    keep = np.ones(int(labels.max(initial=0)) + 1, bool)
    keep[ids] = False
    keep[0] = False
    if out is None and keep[1:].all():
        return labels
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.take(numbers, labels, out=out, mode="clip")


def drop_labels(
    labels: npt.NDArray[np.int32], min_size: int = 0, border: bool = False
) -> npt.NDArray[np.int32]:
    """Drop small objects and those at the border of a plane, and number the rest without gaps.

    Parameters
    ----------
    labels
        (Y, X) int32, 0 is background, objects are 1 … n without gaps.
    min_size
        Objects of fewer pixels are dropped. Default: 0.
    border
        Drop objects with a pixel in the first or last row or column. Default: False.
    """
    if min_size <= 1 and not border:
        return labels  # without gaps already
    sizes = np.bincount(labels.ravel(), minlength=1)
    keep = sizes >= max(min_size, 1)
    if border:
        edges = (labels[:1], labels[-1:], labels[:, :1], labels[:, -1:])
        keep[np.concatenate([edge.ravel() for edge in edges])] = False
    keep[0] = False
    if keep[1:].all():
        return labels
    new = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return new[labels]


def keep_objects(
    labels: npt.NDArray[np.int32],
    planes: Iterable[tuple[int | slice, ...]],
    keep: npt.NDArray[np.bool_],
) -> None:
    """Set the objects of a stack that are not kept to 0, in place; the others keep their numbers.

    Parameters
    ----------
    labels
        int32 labels of the stack.
    planes
        The places of its planes.
    keep
        Whether an object is kept, by its label from 1 on; entry 0 does not matter.
    """
    if keep[1:].all():
        return
    numbers = np.where(keep, np.arange(len(keep)), 0).astype(np.int32)
    for where in planes:
        labels[where] = np.take(numbers, labels[where])


def _split(
    mask: npt.NDArray[np.bool_],
    seeds: npt.NDArray[np.floating] | None,
    splitting: Splitting | None,
) -> npt.NDArray[np.int32]:
    from skimage.segmentation import watershed

    if seeds is None or splitting is None:
        height, markers = _distance_seeds(mask)
    else:
        height, markers = _channel_seeds(mask, seeds, splitting)
    labels: npt.NDArray[np.int32] = watershed(  # type: ignore[no-untyped-call]
        -height, _seed_unseeded(mask, markers), mask=mask, connectivity=2
    )
    return labels.astype(np.int32, copy=False)


def _channel_seeds(
    mask: npt.NDArray[np.bool_], seeds: npt.NDArray[np.floating], splitting: Splitting
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    if seeds.shape != mask.shape:
        raise InputError(f"Seeds of shape {seeds.shape} do not fit a plane of {mask.shape}.")
    height = np.nan_to_num(np.asarray(seeds, np.float32))
    if splitting.smoothing:
        height = ndimage.gaussian_filter(height, splitting.smoothing)
    # 4-connected: seeds that meet at a corner only are two objects
    markers = ndimage.label((height > splitting.seed_threshold) & mask, output=np.int32)[0]
    return height, drop_labels(markers, splitting.min_seed_size)


def _distance_seeds(
    mask: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return smoothed distances to the outline, and seeds at their prominent maxima."""
    from skimage.morphology import local_maxima, reconstruction

    # padding: the border of the plane is no outline, a cut object is not split by it
    distance = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    height = ndimage.gaussian_filter(distance.astype(np.float32), _DISTANCE_SMOOTHING)
    levelled = reconstruction(height - _DISTANCE_DEPTH, height)  # type: ignore[no-untyped-call]
    peaks = local_maxima(levelled, connectivity=2) & mask  # type: ignore[no-untyped-call]
    return height, ndimage.label(peaks, _EIGHT, output=np.int32)[0]


def _seed_unseeded(
    mask: npt.NDArray[np.bool_], markers: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Give each connected region without a seed one label, so that no object is lost."""
    regions, count = ndimage.label(mask, _EIGHT, output=np.int32)
    seeded = np.zeros(count + 1, bool)
    seeded[regions[markers > 0]] = True
    seeded[0] = True
    new = np.zeros(count + 1, np.int32)
    new[~seeded] = markers.max(initial=0) + 1 + np.arange((~seeded).sum())
    return np.where(markers > 0, markers, new[regions])
