"""Blocks of a card on virtual stains: the typical error of each, fitted on left-out images."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from .objects import ConfidenceTerm
from .record import Factor, Fraction, Line, Number, Positive, Record

__all__ = [
    "NumberPopulation",
    "ObjectDoubt",
    "ObjectNumber",
    "StainError",
    "StainUncertainty",
    "TypicalSpread",
]

SpreadName = Literal["views", "samples"]
ObjectFeature = Literal[
    "log_area",
    "unusual_size",
    "log_brightness",
    "solidity",
    "contrast",
    "sharpness",
    "spread_inside",
    "spread_around",
    "outline_views",
    "outline_contrast",
    "confidence",
    "other_stains",
]


class TypicalSpread(Record):
    """Spread over several predictions of a pixel: what is usual at a brightness."""

    usual: list[Positive] = Field(
        min_length=2,
        max_length=64,
        description="usual (median) spread at each level, in units of the network's output",
    )
    exponent: float = Field(
        0.0,
        ge=0,
        le=4,
        description="the typical error is multiplied by (spread / usual) to this power; 0: the "
        "spread tells no more than the brightness does",
    )


class StainError(Record):
    """Typical error of one stain (one standard deviation), over its predicted intensity."""

    levels: list[Number] = Field(
        min_length=2,
        max_length=64,
        description="rising predicted intensities, in units of the network's output",
    )
    errors: list[Positive] = Field(
        min_length=2,
        max_length=64,
        description="typical error at each level, in the same units; linear in between",
    )
    spreads: dict[SpreadName, TypicalSpread] = Field(
        default_factory=dict,
        description="of flips and rotations (views), and of dropout samples (samples)",
    )

    @model_validator(mode="after")
    def _knots_fit(self) -> StainError:
        if any(low >= high for low, high in pairwise(self.levels)):
            raise ValueError("levels must rise")
        counts = {len(self.errors), *(len(spread.usual) for spread in self.spreads.values())}
        if counts != {len(self.levels)}:
            raise ValueError("errors and usual spreads need one value for each level")
        return self


class StainUncertainty(Record):
    """Typical errors of all stains, fitted on images that the network did not learn from."""

    stains: list[StainError] = Field(
        min_length=1, max_length=1024, description="one for each output channel"
    )
    views: int = Field(
        1, ge=1, le=8, description="flips and rotations that a prediction is the mean of"
    )
    samples: int = Field(0, ge=0, le=10_000, description="dropout samples that are drawn")
    fields: int = Field(
        0, ge=0, le=10**6, description="number of images that the curves were fitted on"
    )
    fitted_on: Line = Field(
        "unknown images", description="the images, and the models that predicted them"
    )


class NumberPopulation(Record):
    """Density of a number over all real objects, which knows nothing of the virtual ones.

    Between two neighbouring quantiles the density is even; all of it is smoothed by a Gaussian.
    """

    quantiles: list[Number] = Field(
        min_length=2,
        max_length=64,
        description="of the number on its scale, at evenly spaced probabilities from 0 to 1",
    )
    smoothing: Positive = Field(description="standard deviation of the Gaussian, on the scale")

    @model_validator(mode="after")
    def _quantiles_are_in_order(self) -> NumberPopulation:
        if any(low > high for low, high in pairwise(self.quantiles)):
            raise ValueError("the quantiles of a population must not fall")
        return self


class ObjectNumber(Record):
    """Distribution of a number of a real object, given that of the virtual one and its doubt.

    On the scale, the real number is offset + slope · virtual, with an error of a Student t
    distribution (4 degrees of freedom) of the width
    √(exp(log_width + doubt_weight · doubt)² + field_width²).
    """

    scale: Literal["log", "shape"] = Field(
        "log", description="log: natural logarithm; shape: logarithm of 1 - eccentricity²"
    )
    least: Positive = Field(description="smaller numbers count as this one")
    offset: Factor = Field(description="see above")
    slope: Factor = Field(description="see above")
    log_width: float = Field(ge=-30, le=30, description="see above")
    doubt_weight: float = Field(0.0, ge=-30, le=30, description="see above")
    field_width: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="part of the width that all objects of an image share: whole images are "
        "brighter or larger than predicted",
    )
    gain: Factor | None = Field(
        None,
        description="information gain over knowing the population, in nats per object, on "
        "left-out images; null if unknown",
    )
    constant_error: Positive | None = Field(
        None,
        description="root mean square of the real number less the virtual one, on the scale: "
        "the one width that a prediction without doubt would have; null if unknown",
    )
    population: NumberPopulation | None = Field(
        None,
        description="what the real numbers of left-out images are, which the information gain "
        "refers to; null if unknown",
    )


class ObjectDoubt(Record):
    """Probability that an object of a virtual stain is not there, or not in that shape.

    1 / (1 + exp(-(intercept + sum of the terms))), where the truth is the real stain: wrong is
    an object whose IoU with every real one is below 0.5.
    """

    stain: Line = Field(description="output channel in which the objects are found")
    segmenter: Line = Field(description="name of the model that finds them")
    objects: Line = Field("nuclei", description="what they are called")
    intercept: Factor = Field(description="logit of an object whose values are all the mean")
    terms: dict[ObjectFeature, ConfidenceTerm] = Field(
        min_length=1, description="weight, mean and standard deviation of each number"
    )
    wrong: Fraction = Field(
        description="fraction of wrong objects among those that it was fitted on"
    )
    count: int = Field(ge=1, le=10**9, description="number of these objects")
    fields: int = Field(ge=1, le=10**6, description="number of left-out images they are from")
    numbers: dict[Line, ObjectNumber] = Field(
        default_factory=dict,
        max_length=1000,
        description="how far the real area, shape and intensities of an object may lie from the "
        "virtual ones, for objects that are there",
    )
    hidden: list[tuple[Fraction, Fraction, Fraction]] = Field(
        default_factory=list,
        max_length=100,
        description="what hiding does, on left-out images: a limit of the doubt, the fraction of "
        "objects above it, and the fraction of wrong objects among all wrong ones that is above",
    )
