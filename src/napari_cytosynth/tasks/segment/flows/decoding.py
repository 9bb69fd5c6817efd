"""Decoding of a network's output: who owns each pixel, and what is known of each owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .flow_error import flow_errors
from .follow import find_ends, walk_length
from .owners import owners_of_ends

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Confidence

__all__ = ["LOWEST", "FlowSettings", "ObjectFacts", "OwnedPlane", "confidence_of", "decode_flows"]

LOWEST = 0.001  # lower end of the threshold slider: pixels below it belong to no object
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


@dataclass(frozen=True, eq=False)
class OwnedPlane:
    """Owners of the pixels of one plane.

    Attributes
    ----------
    owner
        (Y, X) int32: 0 is none, else 1, 2, … in the order of first pixels.
    facts
        Of each owner.
    """

    owner: npt.NDArray[np.int32]
    facts: ObjectFacts


def decode_flows(
    probability: npt.NDArray[np.floating],
    flows: npt.NDArray[np.floating],
    settings: FlowSettings,
) -> OwnedPlane:
    """Return the owners of the pixels of one plane.

    Parameters
    ----------
    probability
        (Y, X), in [0, 1]; NaN is background.
    flows
        (2, Y, X), the network's output: components along Y and X.
    settings
        How they are decoded.
    """
    mask = probability >= settings.lowest
    ends = find_ends(flows, mask, walk_length(settings.diameter))
    full = max(_CONFIDENT_PIXEL * settings.threshold, settings.lowest)
    weight = np.where(mask, probability, 0) / np.float32(full)
    owner = owners_of_ends(ends, flows, weight, settings.diameter)
    facts = _measure(probability, flows, owner, settings)
    kept = facts.area > 0
    if settings.error_limit is not None:
        kept &= facts.flow_error <= settings.error_limit
    new = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int32)
    left = ObjectFacts(facts.area[kept], facts.mean_probability[kept], facts.flow_error[kept])
    return OwnedPlane(new[owner], left)


def _measure(
    probability: npt.NDArray[np.floating],
    flows: npt.NDArray[np.floating],
    owner: npt.NDArray[np.int32],
    settings: FlowSettings,
) -> ObjectFacts:
    count = int(owner.max(initial=0))
    inside = np.flatnonzero(owner)
    owners, values = owner.ravel()[inside], probability.ravel()[inside]
    summit = np.zeros(count + 1, values.dtype)
    np.maximum.at(summit, owners, values)
    least = np.where(summit >= settings.threshold, settings.threshold, summit / 2)
    reached = values >= least[owners]
    shapes = np.zeros_like(owner)
    shapes.ravel()[inside[reached]] = owners[reached]
    area = np.bincount(owners[reached], minlength=count + 1)[1:]
    total = np.bincount(owners[reached], values[reached], minlength=count + 1)[1:]
    size: dict[str, Any] = {"scale": settings.scale, "diameter": settings.diameter}
    return ObjectFacts(area, total / np.maximum(area, 1), flow_errors(flows, shapes, count, **size))


def confidence_of(facts: ObjectFacts, confidence: Confidence) -> npt.NDArray[np.float64]:
    """Return the probability, from a card's logistic fit, that each owner is a true object."""
    logit = np.full(len(facts.area), confidence.intercept)
    values = (
        (confidence.flow_error, facts.flow_error),
        (confidence.probability, facts.mean_probability),
        (confidence.log_area, np.log(np.maximum(facts.area, 1))),
    )
    for term, value in values:
        if term is not None:
            logit += term.weight * (value - term.mean) / term.std
    confident: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
    return confident
