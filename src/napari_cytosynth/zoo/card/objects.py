"""Blocks of a card on the objects of a segmentation, all chosen or measured on validation data."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from .record import Factor, Fraction, Number, Positive, Record

__all__ = ["Confidence", "ConfidenceTerm", "Expected", "FlowDecoding"]


class FlowDecoding(Record):
    """Settings of the decoding of flows: each pixel is led to the centre of its object."""

    scale: float = Field(
        5.0,
        ge=1e-3,
        le=1e3,
        description="factor that the unit vectors were multiplied with in training; the "
        "network's flows are divided by it",
    )
    error_limit: float | None = Field(
        None,
        ge=0,
        le=1e3,
        description="objects whose flow error (mean squared difference to the flows of their own "
        "shape) is above it are dropped; null: none are",
    )


class ConfidenceTerm(Record):
    """One term of the confidence: weight · (value - mean) / std."""

    weight: Factor = Field(description="weight of the standardised value")
    mean: Number = Field(0.0, description="mean of the value over the objects of validation images")
    std: Positive = Field(1.0, description="standard deviation of the value over these objects")


class Confidence(Record):
    """Probability that an object is right: 1 / (1 + exp(-(intercept + sum of the terms)))."""

    intercept: Factor = Field(description="logit of an object whose values are all the mean")
    flow_error: ConfidenceTerm | None = Field(
        None, description="term of the object's flow error; null: not used"
    )
    probability: ConfidenceTerm | None = Field(
        None, description="term of the mean foreground probability in the object; null: not used"
    )
    log_area: ConfidenceTerm | None = Field(
        None,
        description="term of the natural logarithm of the object's area in px of the model's pixel "
        "size; null: not used",
    )

    @model_validator(mode="after")
    def _some_term_is_there(self) -> Confidence:
        if self.flow_error is self.probability is self.log_area is None:
            raise ValueError("confidence needs at least one term")
        return self


class Expected(Record):
    """Results on validation images, each as its quantiles 5, 50 and 95 %.

    A result far outside is doubted: the image may be of another kind or pixel size.
    """

    foreground: tuple[Fraction, Fraction, Fraction] | None = Field(
        None, description="fraction of an image that is foreground; null if unknown"
    )
    diameter: tuple[Positive, Positive, Positive] | None = Field(
        None,
        description="diameter of an object (of the circle of its area) in px of the model's "
        "pixel size; null if unknown",
    )
    confidence: tuple[Fraction, Fraction, Fraction] | None = Field(
        None, description="mean confidence of an image's objects; null if unknown"
    )

    @model_validator(mode="after")
    def _quantiles_are_in_order(self) -> Expected:
        for name in ("foreground", "diameter", "confidence"):
            values = getattr(self, name) or ()
            if any(low > high for low, high in pairwise(values)):
                raise ValueError(f"{name}: the quantiles 5, 50 and 95 % must not fall")
        return self
