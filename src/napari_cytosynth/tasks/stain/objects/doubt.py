"""Doubt of an object, from its numbers and the block of a model's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.metrics import logistic

from .numbers import NumberFit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import Inference, ObjectDoubt, ObjectNumber

    Values = NDArray[np.float64]

__all__ = ["doubt_of", "doubts", "number_fit", "wrong_share_above"]

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
    terms = []
    for name, term in block.terms.items():
        value = np.nan_to_num((features[name] - term.mean) / term.std)
        terms.append((term.weight, np.clip(value, -_FARTHEST, _FARTHEST), 0.0, 1.0))
    return logistic(block.intercept, terms, count)


def wrong_share_above(block: ObjectDoubt, limit: float) -> float | None:
    """Return which fraction of the wrong objects of the calibration had a higher doubt.

    Parameters
    ----------
    block
        Of the model's card. Between the limits that it lists, the fraction is interpolated;
        all objects are above a limit of 0, none above 1.
    limit
        Of the doubt.

    Returns
    -------
    float or None
        In [0, 1]; None where the card does not tell.
    """
    if not block.hidden:
        return None
    limits, _, shares = zip(*sorted(block.hidden), strict=True)
    return float(np.interp(limit, [0.0, *limits, 1.0], [1.0, *shares, 0.0]))


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
