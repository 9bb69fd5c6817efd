"""Decoding of a network's output: who owns each pixel, and what is known of each owner."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics import logistic
from napari_cytosynth.tasks.common.defaults import card_options
from napari_cytosynth.tasks.segment.tree import ranks, slider_levels

from .bands import bands, object_windows, rows_at_a_time
from .flow_error import flow_errors, grid_step
from .follow import BLOCK, find_ends, walk_length
from .owners import owners_of_ends
from .widest_paths import one_piece

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Confidence, Inference

    from .bands import Window

    Rejected = tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]

__all__ = [
    "LOWEST",
    "FlowSettings",
    "ObjectFacts",
    "OwnedPlane",
    "confidence_of",
    "decode_flows",
    "levels_of",
    "zoomed_confidence",
]

LOWEST = 0.001  # lower end of the threshold slider: pixels below it belong to no object
_DIAMETER = 40.0  # px, of a card that does not say how large objects are
_AT_ONCE = 1 << 18  # px of objects whose heights and facts are found at once
_CONFIDENT_PIXEL = 0.5  # of the model's threshold: from here on, pixels count in full for sinks


@dataclass(frozen=True)
class FlowSettings:
    """How flows become objects, from the model's card.

    Attributes
    ----------
    threshold
        The model's own threshold, at which errors and confidences are measured.
    diameter
        Typical diameter of an object in px of the flows: it gives the length of the walk.
    scale
        Length of certain flows. Default: 5.
    error_limit
        Objects of a higher flow error are none. Default: None, no limit.
    lowest
        Pixels of a lower probability belong to no object. Default: 0.001.
    """

    threshold: float
    diameter: float
    scale: float = 5.0
    error_limit: float | None = None
    lowest: float = LOWEST

    @classmethod
    def from_card(
        cls, inference: Inference, *, zoom: float = 1.0, lowest: float = LOWEST
    ) -> FlowSettings:
        """Return the settings of a card whose model has flows.

        Parameters
        ----------
        inference
            The card's block of that name.
        zoom
            Pixels of the flows in one of the model. Default: 1.
        lowest
            As the attribute. Default: 0.001.
        """
        assert inference.flows is not None
        return cls(
            threshold=card_options(inference)["threshold"],
            diameter=(inference.diameter or _DIAMETER) * zoom,
            scale=inference.flows.scale,
            error_limit=inference.flows.error_limit,
            lowest=lowest,
        )


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """What is known of each owner 1, 2, … of a plane, whatever the threshold in use.

    Measured on its pixels at or above the model's threshold; of one that does not reach it, on
    those at or above half of its highest probability.

    Attributes
    ----------
    area
        Pixels.
    mean_probability
        In [0, 1].
    flow_error
        Mean squared difference between its flows and those of its shape; 0 is perfect.
    """

    area: npt.NDArray[np.int64]
    mean_probability: npt.NDArray[np.float64]
    flow_error: npt.NDArray[np.float64]


def _nothing() -> Rejected:
    return np.zeros(0, np.intp), np.zeros(0, np.int32)


@dataclass(frozen=True, eq=False)
class OwnedPlane:
    """Owners of the pixels of one plane.

    Attributes
    ----------
    owner
        (Y, X) int32: 0 is none, else 1, 2, … in the order of first pixels.
    facts
        Of each owner.
    heights
        (Y, X) uint16: the number of `levels` at which a pixel belongs to its owner.
    levels
        Thresholds, ascending (see :func:`levels_of`).
    rejected
        Pixels (flat indices), and owners, of what was gathered by flows and is no object, for
        example for its flow error. Default: none.
    """

    owner: npt.NDArray[np.int32]
    facts: ObjectFacts
    heights: npt.NDArray[np.uint16]
    levels: npt.NDArray[np.float32]
    rejected: Rejected = field(default_factory=_nothing)


def levels_of(settings: FlowSettings, *extra: float) -> npt.NDArray[np.float32]:
    """Return the thresholds at which objects are exact: the slider's, the model's, and others."""
    return slider_levels([settings.threshold, settings.lowest, *extra])


def decode_flows(
    probability: npt.NDArray[np.floating],
    flows: npt.NDArray[np.floating],
    settings: FlowSettings,
    *,
    rows: int | None = None,
) -> OwnedPlane:
    """Return the owners of the pixels of one plane, and at how many thresholds each has its own.

    Parameters
    ----------
    probability
        (Y, X), in [0, 1]; NaN is background.
    flows
        (2, Y, X), the network's output: components along Y and X. Of a plane that is decoded in
        bands, it may lie in a file.
    settings
        How they are decoded.
    rows
        Rows that are worked on at a time: the result is the same to within rounding. None
        (default): all of a plane of up to 16.8 million pixels.
    """
    rows = rows_at_a_time(probability.shape) if rows is None else rows
    mask = probability >= settings.lowest
    ends = find_ends(flows, mask, walk_length(settings.diameter), min(rows, BLOCK))
    full = max(_CONFIDENT_PIXEL * settings.threshold, settings.lowest)
    owner = owners_of_ends(ends, flows, probability, settings.diameter, full=full, rows=rows)
    count = int(owner.max(initial=0))
    # of few pixels each, so that what is computed of them stays small
    few = min(rows, rows_at_a_time(probability.shape, _AT_ONCE))
    windows = object_windows(owner, count, few, grid_step(settings.diameter))
    levels = levels_of(settings)
    found = []
    heights = np.zeros(owner.shape, np.uint16)

    def decode(window: Window) -> tuple[ObjectFacts, npt.NDArray[np.uint16]]:
        facts = _facts(probability, flows, owner, settings, window)
        return facts, _heights(probability, owner, window, levels, _good(facts, settings))

    with ThreadPoolExecutor(2) as pool:
        for window, (facts, part) in zip(windows, pool.map(decode, windows), strict=True):
            found.append(facts)
            np.maximum(heights[window.rows], part, out=heights[window.rows])
    return _without_poor(OwnedPlane(owner, _joined(found), heights, levels), settings, rows)


def _good(facts: ObjectFacts, settings: FlowSettings) -> npt.NDArray[np.bool_]:
    """Return which owners are objects: they have pixels, and no high flow error."""
    kept = facts.area > 0
    if settings.error_limit is not None:
        kept &= facts.flow_error <= settings.error_limit
    return kept


def _joined(parts: list[ObjectFacts]) -> ObjectFacts:
    if not parts:
        return ObjectFacts(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    names = ("area", "mean_probability", "flow_error")
    return ObjectFacts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _without_poor(plane: OwnedPlane, settings: FlowSettings, rows: int) -> OwnedPlane:
    """Drop owners that are no objects, in place; they have no heights."""
    facts, kept = plane.facts, _good(plane.facts, settings)
    if kept.all():
        return plane
    new = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int32)
    pixels, owners = [], []
    for band in bands(plane.owner.shape[0], rows):
        old = plane.owner[band].copy()
        plane.owner[band] = np.take(new, old)
        gone = np.flatnonzero((old > 0) & (plane.owner[band] == 0))
        pixels.append(gone + band.start * old.shape[1])
        owners.append(old.ravel()[gone])
    left = ObjectFacts(facts.area[kept], facts.mean_probability[kept], facts.flow_error[kept])
    return replace(plane, facts=left, rejected=(np.concatenate(pixels), np.concatenate(owners)))


def _heights(
    probability: npt.NDArray[np.floating],
    owner: npt.NDArray[np.int32],
    window: Window,
    levels: npt.NDArray[np.float32],
    kept: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint16]:
    """Return (y, X) the number of levels at which each pixel of a window belongs to its owner."""
    part, values = window.objects_of(owner), probability[window.rows]
    if not kept.all():
        part = part * np.take(np.append(False, kept), part)
    own = np.zeros(part.shape, np.uint16)
    inside = part > 0
    own[inside] = ranks(values[inside], levels)
    return one_piece(own, part, values)


def _facts(
    probability: npt.NDArray[np.floating],
    flows: npt.NDArray[np.floating],
    owner: npt.NDArray[np.int32],
    settings: FlowSettings,
    window: Window,
) -> ObjectFacts:
    """Return what is known of the objects of a window."""
    count, shapes = window.last - window.first, window.objects_of(owner)
    inside = np.flatnonzero(shapes)
    owners = shapes.ravel()[inside]
    values = np.asarray(probability[window.rows]).ravel()[inside]
    summit = np.zeros(count + 1, values.dtype)
    np.maximum.at(summit, owners, values)
    least = np.where(summit >= settings.threshold, settings.threshold, summit / 2)
    reached = values >= least[owners]
    shapes = np.zeros_like(shapes)
    shapes.ravel()[inside[reached]] = owners[reached]
    area = np.bincount(owners[reached], minlength=count + 1)[1:].astype(np.int64)
    total = np.bincount(owners[reached], values[reached], minlength=count + 1)[1:]
    size: dict[str, Any] = {"scale": settings.scale, "diameter": settings.diameter}
    errors = flow_errors(flows[:, window.rows], shapes, count, **size)
    return ObjectFacts(area, total / np.maximum(area, 1), errors)


def confidence_of(facts: ObjectFacts, confidence: Confidence) -> npt.NDArray[np.float64]:
    """Return the probability, from a card's logistic fit, that each owner is a true object."""
    values = (
        (confidence.flow_error, facts.flow_error),
        (confidence.probability, facts.mean_probability),
        (confidence.log_area, np.log(np.maximum(facts.area, 1))),
    )
    terms = [(term.weight, value, term.mean, term.std) for term, value in values if term]
    return logistic(confidence.intercept, terms, len(facts.area))


def zoomed_confidence(confidence: Confidence | None, zoom: float) -> Confidence | None:
    """Return a card's fit for areas in px of the image, which the card counts in the model's.

    Parameters
    ----------
    confidence
        The card's block of that name, or None.
    zoom
        Pixels of the image in one of the model.
    """
    if confidence is None or confidence.log_area is None or zoom == 1:
        return confidence
    mean = confidence.log_area.mean + 2 * math.log(zoom)
    moved = confidence.log_area.model_copy(update={"mean": mean})
    return confidence.model_copy(update={"log_area": moved})
