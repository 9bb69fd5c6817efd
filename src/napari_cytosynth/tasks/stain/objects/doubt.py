"""Doubt of an object, from its numbers and the block of a model's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .numbers import NumberFit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import Inference, ObjectDoubt, ObjectNumber

    Values = NDArray[np.float64]

__all__ = ["doubt_of", "doubts", "number_fit"]

_FARTHEST = 5.0
"""Standard deviations beyond which a number counts no further: it was seen in no field."""


def doubt_of(inference: Inference, stain: str) -> ObjectDoubt | None:
    """Return the block of the card for the objects of a stain; None without one."""
    return next((one for one in inference.doubt if one.stain == stain), None)


def doubts(block: ObjectDoubt, features: Mapping[str, Values]) -> Values:
    """Return the probability of each object that it is wrong, in [0, 1].

    Parameters
    ----------
    block
        Of the model's card.
    features
        As :func:`~napari_cytosynth.tasks.stain.objects.features.object_features` returns them.
        An object with a number that is unknown (NaN) counts as usual in it.
    """
    count = len(next(iter(features.values())))
    logit = np.full(count, float(block.intercept))
    for name, term in block.terms.items():
        value = np.nan_to_num((features[name] - term.mean) / term.std)
        logit += term.weight * np.clip(value, -_FARTHEST, _FARTHEST)
    found: Values = 1 / (1 + np.exp(-logit))
    return found


def number_fit(record: ObjectNumber) -> NumberFit:
    """Return the distribution that a card describes."""
    return NumberFit(
        record.scale,
        record.least,
        record.offset,
        record.slope,
        record.log_width,
        record.doubt_weight,
        record.field_width,
    )
