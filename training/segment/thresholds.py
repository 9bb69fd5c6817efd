"""Choice of the threshold and of the splitting of touching objects, on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.metrics.instance import average_precision
from napari_cytosynth.tasks.segment.flows.follow import find_owners
from napari_cytosynth.tasks.segment.instances import LabelOptions, drop_labels, label_plane
from napari_cytosynth.zoo.card import Splitting

from .known import known_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "THRESHOLDS",
    "Predictions",
    "by_source",
    "choose_splitting",
    "choose_threshold",
    "instance_score",
    "iou_curve",
]

THRESHOLDS = (0.01, 0.02, 0.05, *np.round(np.arange(0.1, 0.95, 0.05), 2).tolist(), 0.95)
DEFAULT = Splitting(channel="distance", seed_threshold=0.5, smoothing=1.0)


@dataclass(frozen=True)
class Predictions:
    """Predictions of the network for one validation image.

    Attributes
    ----------
    name
        Stem of the image file.
    probability
        (C, Y, X) float32 in [0, 1].
    maps
        (C, Y, X) float32, the truth as maps.
    truth
        (Y, X) instances or mask.
    source
        Name of the data folder, where there are several. Default: empty.
    known
        (C, Y, X), where the maps are known; None (default) for everywhere.
    """

    name: str
    probability: NDArray[np.float32]
    maps: NDArray[np.float32]
    truth: NDArray[np.generic]
    source: str = ""
    known: NDArray[np.bool_] | None = None


def by_source(predictions: list[Predictions]) -> dict[str, list[Predictions]]:
    """Return the predictions of each data folder; empty where the recipe names no sources."""
    found: dict[str, list[Predictions]] = {}
    for item in predictions:
        if item.source:
            found.setdefault(item.source, []).append(item)
    return found


def iou_curve(
    predictions: list[Predictions],
    prevalence: float | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[float, float]:
    """Return the foreground IoU at each threshold, known pixels pooled over images.

    Parameters
    ----------
    predictions
        Of all validation images.
    prevalence
        Part of the pixels that the foreground counts as, however many of them are known. None
        (default): that of the known ones.
    thresholds
        Default: :data:`THRESHOLDS`.
    """
    right, wrong = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    foreground = background = 0
    for item in predictions:
        known = ... if item.known is None else item.known[0]
        true, probability = item.maps[0][known] > 0.5, item.probability[0][known]
        foreground += int(np.count_nonzero(true))
        background += int(np.count_nonzero(~true))
        for number, threshold in enumerate(thresholds):
            found = probability >= threshold
            right[number] += np.count_nonzero(found & true)
            wrong[number] += np.count_nonzero(found & ~true)
    weight = 1.0
    if prevalence is not None and foreground and background:
        weight = foreground / background * (1 / prevalence - 1)
    union = foreground + weight * wrong
    values = np.divide(right, union, out=np.ones_like(union), where=union > 0)
    return dict(zip(thresholds, values.tolist(), strict=True))


def choose_threshold(predictions: list[Predictions], prevalence: float | None = None) -> float:
    """Return the threshold of the highest pooled IoU, as of :func:`iou_curve`."""
    curve = iou_curve(predictions, prevalence)
    return max(curve, key=lambda threshold: curve[threshold])


def instance_score(
    predictions: list[Predictions],
    threshold: float,
    splitting: Splitting | None,
    *,
    at: tuple[float, ...] = (0.5,),
    flows: int | None = None,
) -> float:
    """Return AP = TP / (TP + FP + FN), mean over IoU thresholds `at` and over images."""
    options = LabelOptions(threshold=threshold, split_touching=True)
    scores = []
    for item in predictions:
        if flows is not None:
            labels = _follow(item, threshold, flows)
        else:
            labels = label_plane(
                item.probability[0], item.probability[1], options, splitting or DEFAULT
            )
        if item.known is not None:
            labels = known_objects(labels, item.known[1])
        scores.append(np.mean(average_precision(item.truth, labels, at)))
    return float(np.mean(scores))


def _follow(item: Predictions, threshold: float, flows: int) -> NDArray[np.int32]:
    mask = item.probability[0] >= threshold
    owners = find_owners(item.probability[flows : flows + 2], mask, 256)
    return drop_labels(owners, 15)


def choose_splitting(predictions: list[Predictions]) -> tuple[float, Splitting, float]:
    """Choose threshold and splitting by the highest AP (mean of 0.5 and 0.75).

    Returns
    -------
    tuple
        Threshold, splitting, and the AP reached.
    """
    best: tuple[float, Splitting, float] | None = None
    seeds = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    for threshold, seed, smoothing in product((0.4, 0.5, 0.6), seeds, (0.0, 1.0, 2.0)):
        splitting = Splitting(channel="distance", seed_threshold=seed, smoothing=smoothing)
        score = instance_score(predictions, threshold, splitting, at=(0.5, 0.75))
        if best is None or score > best[2]:
            best = (threshold, splitting, score)
    assert best is not None
    return best
