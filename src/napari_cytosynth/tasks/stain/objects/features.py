"""Plain numbers of each virtual object that may tell whether it is real.

None needs the truth: size, brightness and contrast; whether the object is found again, in the
same outline, when the network sees the image turned, mirrored or with another contrast; how
much these predictions differ inside and just outside; how sure the segmenter is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.metrics import best_iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]
    Values = NDArray[np.float64]

__all__ = ["FEATURES", "Seen", "object_features"]

RING = 5
"""Width in px of the ring around an object that is compared with its inside."""
DARK = 20
"""Percentile of a stain's plane that is taken for its background."""
LEAST = 0.01
"""Least brightness that a ratio is taken of, in units of the network's output."""

FEATURES: dict[str, str] = {
    "log_area": "natural logarithm of the area in px of the model's pixel size",
    "unusual_size": "squared difference between log_area and its median over the plane's objects",
    "log_brightness": "natural logarithm of the mean intensity above the background",
    "solidity": "area over that of the convex hull",
    "contrast": "mean intensity inside minus that of a ring around it, over that inside",
    "sharpness": "mean gradient at the rim over the mean intensity inside",
    "spread_inside": "spread of the views inside, over the mean intensity inside",
    "spread_around": "spread of the views in a ring around, over the mean intensity inside",
    "outline_views": "mean IoU with the objects found in single views",
    "outline_contrast": "mean IoU with the objects found at lower and higher contrast",
    "confidence": "the segmenter's confidence in the object",
    "other_stains": "natural logarithm of the mean of the other stains over that of this one",
}
"""Name -> what it is."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network shows of one plane; all in units of its output, on its own grid.

    Attributes
    ----------
    means
        (K, Y, X): mean over the views, of all stains.
    stain
        Index of the stain that the objects are in.
    spread
        (Y, X): standard deviation of that stain over the views.
    labels
        (Y, X): objects of the mean, numbered from 1 without gaps.
    confidence
        (N,): the segmenter's confidence in each.
    in_views, in_contrasts
        (Y, X) labels of the objects that were found in single views, and at other contrasts.
    """

    means: Floats
    stain: int
    spread: Floats
    labels: Labels
    confidence: Values
    in_views: Sequence[Labels]
    in_contrasts: Sequence[Labels]


def object_features(seen: Seen) -> dict[str, Values]:
    """Return the numbers of :data:`FEATURES`, one value for each object by rising label."""
    labels = seen.labels
    ids = np.arange(1, int(labels.max(initial=0)) + 1)
    if not ids.size:
        return {name: np.empty(0) for name in FEATURES}
    stain = seen.means[seen.stain]
    above = stain - np.percentile(stain, DARK)
    rim, inner, ring = _parts(labels)

    def mean(plane: Floats, where: Labels) -> Values:
        # an object too thin to have an inside is all rim
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.asarray(ndimage.mean(plane, where, ids), np.float64)
        return np.where(np.isfinite(found), found, 0.0)

    bright = np.maximum(mean(above, labels), LEAST)
    inside = np.maximum(mean(above, np.where((inner > 0), inner, 0)), LEAST)
    gradient = ndimage.gaussian_gradient_magnitude(stain, 1.0)
    log_area = np.log(np.bincount(labels.ravel())[1:])
    return {
        "log_area": log_area,
        "unusual_size": (log_area - np.median(log_area)) ** 2,
        "log_brightness": np.log(bright),
        "solidity": _solidity(labels),
        "contrast": (inside - mean(above, ring)) / inside,
        "sharpness": mean(gradient, rim) / bright,
        "spread_inside": mean(seen.spread, inner) / bright,
        "spread_around": mean(seen.spread, ring) / bright,
        "outline_views": _found_again(labels, seen.in_views),
        "outline_contrast": _found_again(labels, seen.in_contrasts),
        "confidence": seen.confidence,
        "other_stains": _other_stains(seen, ids, bright),
    }


def _parts(labels: Labels) -> tuple[Labels, Labels, Labels]:
    """Return the labels at the rims (2 px), inside of them, and in a ring around each object."""
    depth = ndimage.distance_transform_edt(labels > 0)
    between = ndimage.minimum_filter(labels, 3) != ndimage.maximum_filter(labels, 3)
    rim = np.where((labels > 0) & ((depth <= 2) | between), labels, 0)
    away, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    ring = np.where((away > 0) & (away <= RING), labels[tuple(nearest)], 0)
    return rim, np.where(rim == 0, labels, 0), ring


def _solidity(labels: Labels) -> Values:
    from napari_cytosynth.tasks.measure.regions import Regions

    regions = Regions(labels)
    found: Values = np.minimum(regions.area / regions.convex_area(), 1.0)
    return found


def _found_again(labels: Labels, others: Sequence[Labels]) -> Values:
    if not others:
        return np.ones(int(labels.max(initial=0)))
    found: Values = np.mean([best_iou(other, labels) for other in others], axis=0)
    return found


def _other_stains(seen: Seen, ids: NDArray[np.integer], bright: Values) -> Values:
    """Return how bright the other stains are, relative to this one; 0 where there are none."""
    others = [plane for k, plane in enumerate(seen.means) if k != seen.stain]
    if not others:
        return np.zeros(len(ids))
    levels = [
        np.maximum(ndimage.mean(plane - np.percentile(plane, DARK), seen.labels, ids), LEAST)
        for plane in others
    ]
    found: Values = np.log(np.mean(levels, axis=0) / bright)
    return found
