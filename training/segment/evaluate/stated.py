"""The confidence that a model states of its objects, beside what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics import ConfidenceCurve, auroc, confidence_curve
from napari_cytosynth.zoo.card.trust import (
    CONFIDENCE,
    ENOUGH_IMAGES,
    RIVAL,
    Auroc,
    ConfidenceTest,
    ReliabilityBin,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = ["LOW_ERROR", "StatedScores", "stated_scores"]

LOW_ERROR = "low flow error"
"""The ingredient flow error, turned round: right objects have little of it."""
_NAMES = {"flow_error": LOW_ERROR, "flow error": LOW_ERROR, "log_area": "log area"}
_NAMES["probability"] = RIVAL
_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class StatedScores:
    """How well the confidence that a model states tells right objects from wrong ones.

    Attributes
    ----------
    images, right, wrong
        Numbers of images with objects, and of their right and wrong objects.
    auroc
        Of the confidence and of each ingredient alone; empty where all objects are of one kind.
    intervals
        95 % interval of each (bootstrap).
    gain
        AUROC of the confidence minus that of the mean probability, and its interval; None where
        there is none.
    drawn
        What the bootstrap draws: ``images``, or ``objects`` where there are fewer than ten.
    curve
        Stated and found share of right objects.
    """

    images: int
    right: int
    wrong: int
    auroc: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    gain: tuple[float, float, float] | None
    drawn: str
    curve: ConfidenceCurve

    def record(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        plain = {key: value for key, value in vars(self).items() if key != "curve"}
        return {
            **plain,
            "calibration error (ECE)": self.curve.error,
            "verdict": self.test("").verdict,
            "curve": self.curve.record(),
        }

    def test(
        self, dataset: str, command: str = "", *, cross_validated: bool = False
    ) -> ConfidenceTest:
        """Return the scores as a record for the card.

        Parameters
        ----------
        dataset, command
            What they were measured on, and the command that does it again.
        cross_validated
            Whether the confidence was fitted to images of the same set. Default: False.
        """
        areas = {
            name: Auroc.model_validate(_rounded({"value": value, "low": low, "high": high}))
            for name, value, (low, high) in self._areas()
        }
        bins = [ReliabilityBin.model_validate(_rounded(one)) for one in self.curve.bins()]
        return ConfidenceTest(
            dataset=dataset,
            command=command,
            cross_validated=cross_validated,
            images=self.images,
            right=self.right,
            wrong=self.wrong,
            auroc=areas,
            gain=None if self.gain is None else tuple(round(part, 4) for part in self.gain),
            error=round(self.curve.error, 4),
            reliability=bins,
        )

    def _areas(self) -> list[tuple[str, float, tuple[float, float]]]:
        return [(name, value, self.intervals[name]) for name, value in self.auroc.items()]

    def summary(self) -> str:
        """Return the scores as lines of text."""
        lines = [
            f"Confidence that the model states: {self.right} of {self.right + self.wrong} objects "
            f"are right; calibration error {self.curve.error:.3f}."
        ]
        lines += [
            f"  AUROC of {name}: {value:.3f} (95 %: {low:.3f} to {high:.3f})"
            for name, value, (low, high) in self._areas()
        ]
        shown = (
            "  stated {low:.1f}–{high:.1f}: {count} objects, mean {stated:.2f}, right {found:.2f}"
        )
        lines += [shown.format(**one) for one in self.curve.bins()]
        return "\n".join([*lines, self.test("").verdict])


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def stated_scores(
    confidence: Values,
    ingredients: Mapping[str, Values],
    right: Flags,
    image: NDArray[np.integer],
) -> StatedScores:
    """Measure how well confidences tell right objects from wrong ones, beside the ingredients.

    Parameters
    ----------
    confidence
        (N,) in [0, 1].
    ingredients
        Name -> (N,): mean probability, log area, flow error …
    right
        (N,) whether the object's IoU with a true one is at least 0.5.
    image
        (N,) number of each object's image.

    Raises
    ------
    InputError
        If there are no objects, or a value is no number.
    """
    columns = {CONFIDENCE: confidence}
    for key, values in ingredients.items():
        name = _NAMES.get(key, key)
        columns[name] = -values if name == LOW_ERROR else values
    curve = confidence_curve(confidence, right)
    images, wrong = len(np.unique(image)), int(np.count_nonzero(~right))
    sizes = images, len(right) - wrong, wrong
    drawn = "images" if images >= ENOUGH_IMAGES else "objects"
    if not wrong or wrong == len(right):
        return StatedScores(*sizes, {}, {}, None, drawn, curve)
    found = {name: auroc(column, right) for name, column in columns.items()}
    draws = _draws(columns, right, image if drawn == "images" else np.arange(len(right)))
    intervals = {name: _interval(values) for name, values in draws.items()}
    gain = None
    if RIVAL in found:
        ends = _interval(draws[CONFIDENCE] - draws[RIVAL])
        gain = (found[CONFIDENCE] - found[RIVAL], *ends)
    return StatedScores(*sizes, found, intervals, gain, drawn, curve)


def _interval(values: Values) -> tuple[float, float]:
    low, high = np.nanquantile(values, (0.025, 0.975)).tolist()
    return low, high


def _draws(
    columns: Mapping[str, Values], right: Flags, unit: NDArray[np.integer]
) -> dict[str, Values]:
    """Return the AUROC of each column in resamples of whole units, the same for all columns."""
    rng = np.random.default_rng(0)
    _, numbers = np.unique(unit, return_inverse=True)
    count = int(numbers.max()) + 1
    ordered = {name: _Ordered(column, right) for name, column in columns.items()}
    found: dict[str, list[float]] = {name: [] for name in columns}
    for _ in range(_DRAWS):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)[numbers]
        for name, column in ordered.items():
            found[name].append(column.auroc(weights))
    return {name: np.array(values) for name, values in found.items()}


class _Ordered:
    """Scores in rising order, for the AUROC of many resamples."""

    def __init__(self, score: Values, right: Flags) -> None:
        self._order = np.argsort(score, kind="stable")
        values = score[self._order]
        self._starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
        self._right = right[self._order]

    def auroc(self, weights: NDArray[np.integer]) -> float:
        """Return the AUROC of objects that are there so many times; NaN if all are of a kind."""
        every = weights[self._order].astype(np.float64)
        good = np.add.reduceat(every * self._right, self._starts)
        bad = np.add.reduceat(every * ~self._right, self._starts)
        pairs = good.sum() * bad.sum()
        if not pairs:
            return float("nan")
        return float((good * (np.cumsum(bad) - bad / 2)).sum() / pairs)
