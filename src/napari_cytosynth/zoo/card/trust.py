"""Block of a card on its confidence in objects: how far it can be trusted, by known truth."""

from __future__ import annotations

from pydantic import Field, model_validator

from .record import Fraction, Line, Record

__all__ = [
    "CONFIDENCE",
    "ENOUGH",
    "ENOUGH_IMAGES",
    "RIVAL",
    "Auroc",
    "ConfidenceTest",
    "ReliabilityBin",
]

CONFIDENCE, RIVAL = "confidence", "mean probability"
ENOUGH = 20
"""Least number of right and of wrong objects from which an AUROC says much."""
ENOUGH_IMAGES = 10
"""Least number of images whose differences an interval takes into account; else of objects."""


class Auroc(Record):
    """Chance that a right object has the higher value than a wrong one: 0.5 says nothing."""

    value: Fraction = Field(description="the chance, of all objects")
    low: Fraction = Field(0.0, description="lower end of its 95 % interval (bootstrap)")
    high: Fraction = Field(1.0, description="upper end of it")


class ReliabilityBin(Record):
    """Objects of similar confidence, and how many of them are right."""

    low: Fraction = Field(description="least confidence")
    high: Fraction = Field(description="highest confidence")
    stated: Fraction = Field(description="mean confidence of its objects")
    found: Fraction = Field(description="fraction of its objects that are right")
    count: int = Field(ge=1, le=10**9, description="number of its objects")


class ConfidenceTest(Record):
    """Confidences in the objects of images with known truth, and which objects were right.

    An object is right where its IoU with a true one is at least 0.5.
    """

    dataset: str = Field(description="data set and split that it was measured on")
    command: str = Field("", description="the command that measures it; empty: the training did")
    cross_validated: bool = Field(
        False,
        description="whether the confidence was fitted to images of the same set, each object's "
        "own image left out",
    )
    images: int = Field(ge=1, le=10**9, description="number of images with objects")
    right: int = Field(ge=0, le=10**9, description="number of objects that are right")
    wrong: int = Field(ge=0, le=10**9, description="number of objects that are wrong")
    auroc: dict[Line, Auroc] = Field(
        default_factory=dict,
        max_length=20,
        description="of the confidence, and of each of its ingredients alone; empty where all "
        "objects are right, or all wrong",
    )
    gain: tuple[float, float, float] | None = Field(
        None,
        description="AUROC of the confidence minus that of the mean probability, and the ends of "
        "its 95 % interval; null if unknown",
    )
    error: Fraction = Field(
        description="mean difference between stated and found fraction of right objects"
    )
    reliability: list[ReliabilityBin] = Field(
        default_factory=list, max_length=100, description="stated and found fractions, by bins"
    )

    @model_validator(mode="after")
    def _gain_is_a_difference(self) -> ConfidenceTest:
        if self.gain and not (-1 <= self.gain[1] <= self.gain[2] <= 1 and abs(self.gain[0]) <= 1):
            raise ValueError("gain must be a difference of fractions, with an interval in order")
        return self

    @property
    def verdict(self) -> str:
        """Whether the confidence tells more than the mean probability, in one sentence."""
        objects = self.right + self.wrong
        if not self.auroc:
            kind = "wrong" if self.wrong else "right"
            return f"All {objects} objects are {kind}, so that nothing can tell them apart."
        if min(self.right, self.wrong) < ENOUGH:
            few = "wrong" if self.wrong < self.right else "right"
            return (
                f"Only {min(self.right, self.wrong)} of {objects} objects are {few}: too few to "
                f"say whether the confidence tells more than the {RIVAL} alone."
            )
        if self.gain is None:
            return ""
        gain, low, _ = self.gain
        if low > 0:
            limited = f", in {self.images} images only, whose objects may be alike"
            known = "" if self.images >= ENOUGH_IMAGES else limited
            return f"The confidence tells more than the {RIVAL} alone{known}."
        if gain > 0:
            return f"The confidence tells no more than the {RIVAL} alone beyond what may be chance."
        return f"The confidence does not tell more than the {RIVAL} alone."
