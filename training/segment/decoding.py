"""Choice of how outputs become objects, on validation images: threshold, sizes, confidence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import best_iou, fit_confidence
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, ObjectFacts, confidence_of
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.instances import LabelOptions, drop_labels, label_plane
from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm, Expected, FlowDecoding

from .evaluate.confidence import ConfidenceScores, confidence_scores
from .evaluate.report import SMALLEST
from .known import are_known, known_objects
from .losses import FLOW_SCALE
from .targets import equivalent_diameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.metrics import ConfidenceFit
    from napari_cytosynth.zoo.card import ConfidenceTest

    from .thresholds import Predictions

    Values = NDArray[np.float64]

__all__ = ["DecodingChoice", "choose_decoding", "choose_part_sizes", "found_objects"]

THRESHOLDS: tuple[float, ...] = tuple(np.round(np.arange(0.2, 0.81, 0.05), 2).tolist())
ERROR_LIMITS = (None, 1.6, 1.3, 1.0, 0.8, 0.6, 0.5, 0.4, 0.3)
SIZES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Smallest objects that are tried, over the median area of true ones."""
OVERLAPS = (0.5, 0.75)
_SLACK = 0.002  # of the score: of settings as good as that, those that drop fewest objects win
_COLUMNS = ("area", "flow_error", "probability", "iou", "image")
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Objects found in validation images, one entry each.

    Attributes
    ----------
    area, flow_error, probability
        What the decoder knows of them.
    iou
        Highest IoU with a true object; above 0.5 no two share the same true one.
    image
        Number of the image.
    true
        Number of all true objects.
    """

    area: NDArray[np.int64]
    flow_error: Values
    probability: Values
    iou: Values
    image: NDArray[np.int64]
    true: int

    def kept(self, min_size: int, error_limit: float | None) -> NDArray[np.bool_]:
        """Return which are left by a smallest size and a largest flow error."""
        large: NDArray[np.bool_] = self.area >= min_size
        return large if error_limit is None else large & (self.flow_error <= error_limit)

    def score(self, kept: NDArray[np.bool_]) -> float:
        """Return the pooled AP = TP / (TP + FP + FN), mean over :data:`OVERLAPS`."""
        every = int(np.count_nonzero(kept)) + self.true
        return _precision(self.iou[kept], every)


def _precision(iou: Values, objects: int) -> float:
    """Return TP / (TP + FP + FN) of true and found `objects`, mean over :data:`OVERLAPS`."""
    right = [float(np.count_nonzero(iou >= least)) for least in OVERLAPS]
    return sum(count / max(objects - count, 1.0) for count in right) / len(OVERLAPS)


@dataclass(frozen=True)
class DecodingChoice:
    """Settings of a card on the objects of a model, and how well they do on validation images.

    Attributes
    ----------
    threshold, min_size, diameter, flows, confidence, expected
        As on the card.
    score
        Pooled AP, mean of IoU 0.5 and 0.75.
    scores
        How well the confidence tells right objects from wrong ones, or why there is none.
    """

    threshold: float
    min_size: int
    diameter: float
    flows: FlowDecoding
    confidence: Confidence | None
    expected: Expected
    score: float
    scores: ConfidenceScores | str

    def card_fields(self) -> dict[str, Any]:
        """Return the card's fields."""
        names = ("threshold", "min_size", "diameter", "flows", "confidence", "expected")
        return {name: getattr(self, name) for name in names}

    def confidence_tests(self, dataset: str) -> list[ConfidenceTest]:
        """Return how well the confidence did in cross-validation, for the card; may be empty."""
        if isinstance(self.scores, str):
            return []
        return [self.scores.left_out.test(dataset, cross_validated=True)]

    def record(self) -> dict[str, Any]:
        """Return all of it as plain values, for ``validation.json``."""
        flows = self.flows.model_dump()
        found = self.scores if isinstance(self.scores, str) else self.scores.record()
        chosen = {"threshold": self.threshold, "min_size": self.min_size, **flows}
        return {**chosen, "diameter": self.diameter, "ap_50_75": self.score, "confidence": found}


def _decoded(item: Predictions, channel: int, settings: FlowSettings) -> FlowObjects:
    flows = item.probability[channel : channel + 2]
    return FlowObjects.from_flows(item.probability[0], flows, settings, extra_levels=THRESHOLDS)


def _score_at(
    planes: Sequence[FlowObjects], predictions: Sequence[Predictions], threshold: float
) -> float:
    """Return the pooled score of all objects that are not tiny."""
    iou, true = [], 0
    for plane, item in zip(planes, predictions, strict=True):
        truth, known = item.truth, item.known
        areas = np.bincount(truth.ravel())[1:]
        areas = areas[areas > 0]
        true += len(areas)
        smallest = int(0.05 * np.median(areas)) if len(areas) else 0
        labels = plane.at(threshold, LabelOptions(threshold, smallest)).labels
        iou.append(best_iou(truth, labels if known is None else known_objects(labels, known[1])))
    return _precision(np.concatenate(iou), sum(map(len, iou)) + true)


def _choose_threshold(predictions: Sequence[Predictions], channel: int, diameter: float) -> float:
    settings = FlowSettings(0.5, diameter, FLOW_SCALE)
    planes = [_decoded(item, channel, settings) for item in predictions]
    scores = {t: _score_at(planes, predictions, t) for t in THRESHOLDS}
    good = [t for t in THRESHOLDS if scores[t] >= max(scores.values()) - _SLACK]
    return min(good, key=lambda threshold: abs(threshold - 0.5))


def found_objects(
    predictions: Sequence[Predictions], channel: int, settings: FlowSettings
) -> FoundObjects:
    """Return the objects found at the settings' threshold, whatever their size.

    Parameters
    ----------
    predictions
        Of all validation images.
    channel
        First output channel of the flows.
    settings
        How they are decoded.
    """
    parts = [_found_in(item, number, channel, settings) for number, item in enumerate(predictions)]
    return _together(parts)


def _together(parts: Sequence[FoundObjects]) -> FoundObjects:
    """Return the objects of several images as one record."""
    return FoundObjects(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS},
        true=sum(part.true for part in parts),
    )


def _found_in(item: Predictions, number: int, channel: int, settings: FlowSettings) -> FoundObjects:
    plane = _decoded(item, channel, settings)
    view = plane.at(settings.threshold)
    assert view.owners is not None
    kept = slice(None) if item.known is None else are_known(view.labels, item.known[1])[1:]
    owners = view.owners[kept] - 1
    return FoundObjects(
        view.areas[kept],
        plane.facts.flow_error[owners],
        plane.facts.mean_probability[owners],
        best_iou(item.truth, view.labels)[kept],
        np.full(view.count, number)[kept],
        len(equivalent_diameters(item.truth)),
    )


def _choose_limits(
    found: FoundObjects, median_area: float, limits: Sequence[float | None] = ERROR_LIMITS
) -> tuple[int, float | None]:
    """Return the smallest size and the error limit of (nearly) the best score."""
    sizes = [round(share * median_area) for share in SIZES]
    pairs = list(product(sizes, limits))
    scores = np.array([found.score(found.kept(*pair)) for pair in pairs])
    kept = np.array([np.count_nonzero(found.kept(*pair)) for pair in pairs])
    good = np.flatnonzero(scores >= scores.max() - _SLACK)
    return pairs[int(good[kept[good].argmax()])]


def _ingredients(found: FoundObjects, kept: NDArray[np.bool_]) -> dict[str, Values]:
    return {
        "flow_error": found.flow_error[kept],
        "probability": found.probability[kept],
        "log_area": np.log(np.maximum(found.area[kept], 1)),
    }


def _as_card(fit: ConfidenceFit) -> Confidence:
    terms = {
        name: ConfidenceTerm(weight=weight, mean=mean, std=std)
        for name, weight, mean, std in zip(fit.names, fit.weights, fit.mean, fit.scale, strict=True)
        if std > 0
    }
    return Confidence(intercept=fit.intercept, **terms)


def _fit(
    found: FoundObjects, kept: NDArray[np.bool_]
) -> tuple[Confidence | None, ConfidenceScores | str]:
    """Return the logistic fit: of all ingredients where they beat the mean probability alone."""
    columns, right = _ingredients(found, kept), found.iou[kept] >= OVERLAPS[0]
    try:
        scores = confidence_scores(columns, right, found.image[kept], "probability")
    except InputError as error:
        return None, str(error)
    if scores.worthwhile:
        return _as_card(scores.fit), scores
    return _as_card(fit_confidence({"probability": columns["probability"]}, right)), scores


def _quantiles(values: Values) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, _QUANTILES).tolist()
    return low, middle, high


def _expected(
    found: FoundObjects,
    kept: NDArray[np.bool_],
    predictions: Sequence[Predictions],
    confidence: Values | None,
) -> Expected:
    """Return what results look like: images by their foreground, objects by their sizes."""
    images = found.image[kept]
    area = np.bincount(images, found.area[kept], len(predictions))
    share = area / [item.truth.size for item in predictions]
    diameters = np.sqrt(4 * found.area[kept] / np.pi)
    mean = None
    if confidence is not None:
        seen = np.unique(images)
        mean = _quantiles(np.array([confidence[images == number].mean() for number in seen]))
    return Expected(
        foreground=_quantiles(np.minimum(share, 1.0)),
        diameter=_quantiles(diameters) if len(diameters) else None,
        confidence=mean,
    )


def choose_decoding(
    predictions: Sequence[Predictions], channel: int, diameter: float
) -> DecodingChoice:
    """Choose threshold, smallest object, flow limit and confidence on validation images.

    Parameters
    ----------
    predictions
        Of all validation images.
    channel
        First output channel of the flows.
    diameter
        Typical diameter of the training objects in px.
    """
    threshold = _choose_threshold(predictions, channel, diameter)
    settings = FlowSettings(threshold, diameter, FLOW_SCALE)
    found = found_objects(predictions, channel, settings)
    min_size, limit = _choose_limits(found, np.pi / 4 * diameter**2)
    kept = found.kept(min_size, limit)
    confidence, scores = _fit(found, kept)
    facts = ObjectFacts(found.area[kept], found.probability[kept], found.flow_error[kept])
    stated = None if confidence is None else confidence_of(facts, confidence)
    return DecodingChoice(
        threshold,
        min_size,
        diameter,
        FlowDecoding(scale=FLOW_SCALE, error_limit=limit),
        confidence,
        _expected(found, kept, predictions, stated),
        found.score(kept),
        scores,
    )


def choose_part_sizes(predictions: Sequence[Predictions], threshold: float) -> dict[str, Any]:
    """Choose the smallest object of masks, whose objects are their connected parts.

    Parameters
    ----------
    predictions
        Of all validation images, the truth in their maps.
    threshold
        The card's.

    Returns
    -------
    dict
        Of the card ``min_size``, ``diameter`` and ``expected``. Empty without objects: true ones
        of fewer pixels than an evaluation counts are dust of the drawing.
    """
    parts = [ndimage.label(item.maps[0] > 0.5, np.ones((3, 3)), np.int32) for item in predictions]
    truths = [drop_labels(part, SMALLEST["mask"]) for part, _ in parts]
    diameters = np.concatenate([equivalent_diameters(truth) for truth in truths])
    if not len(diameters):
        return {}
    numbered = enumerate(zip(predictions, truths, strict=True))
    found = _together([_parts_in(*pair, number, threshold) for number, pair in numbered])
    diameter = float(np.median(diameters))
    min_size, _ = _choose_limits(found, np.pi / 4 * diameter**2, (None,))
    expected = _expected(found, found.kept(min_size, None), predictions, None)
    return {"min_size": min_size, "diameter": diameter, "expected": expected}


def _parts_in(
    item: Predictions, truth: NDArray[np.int32], number: int, threshold: float
) -> FoundObjects:
    labels = label_plane(item.probability[0], None, LabelOptions(threshold, split_touching=False))
    area = np.bincount(labels.ravel(), minlength=1)[1:]
    unknown, true = np.zeros(len(area)), len(equivalent_diameters(truth))
    image = np.full(len(area), number)
    return FoundObjects(area, unknown, unknown, best_iou(truth, labels), image, true)
