"""Pixel-wise metrics of masks, probabilities and intensities.

Every function takes arrays of any, but equal, shape; axes do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Confusion",
    "ProbabilityCounts",
    "brier",
    "confusion",
    "dice",
    "ece",
    "iou",
    "mae",
    "pcc",
    "precision_recall",
]

DEFAULT_THRESHOLDS: tuple[float, ...] = (
    *(0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
)


def same_shape(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two images as arrays; raise InputError if their shapes differ."""
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        raise InputError(f"The two images differ in size: {a.shape} and {b.shape}.")
    return a, b


def _ratio(part: float, whole: float, empty: float) -> float:
    return float(part) / float(whole) if whole else empty


@dataclass(frozen=True)
class Confusion:
    """Counts of pixels; two of them add up, which pools them over a set of images.

    Parameters
    ----------
    tp, fp, fn, tn
        Foreground found, background taken for foreground, foreground missed,
        background left alone, in pixels.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground; 1 when both masks are empty."""
        return _ratio(self.tp, self.tp + self.fp + self.fn, 1.0)

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of areas; 1 when both masks are empty."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn, 1.0)

    @property
    def precision(self) -> float:
        """Fraction of the predicted foreground that is true; 1 when nothing is predicted."""
        return _ratio(self.tp, self.tp + self.fp, 1.0)

    @property
    def recall(self) -> float:
        """Fraction of the true foreground that is found; 1 when there is none."""
        return _ratio(self.tp, self.tp + self.fn, 1.0)


def confusion(pred: ArrayLike, true: ArrayLike) -> Confusion:
    """Count the pixels of two masks that agree and disagree.

    Parameters
    ----------
    pred, true
        Masks of the same shape; anything that is not 0 is foreground.

    Returns
    -------
    Confusion
        The four counts.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    p, t = (a.astype(bool) for a in same_shape(pred, true))
    tp = int(np.count_nonzero(p & t))
    fp = int(np.count_nonzero(p)) - tp
    fn = int(np.count_nonzero(t)) - tp
    return Confusion(tp, fp, fn, p.size - tp - fp - fn)


def iou(pred: ArrayLike, true: ArrayLike) -> float:
    """Return intersection over union of two masks, in [0, 1]; 1 when both are empty."""
    return confusion(pred, true).iou


def dice(pred: ArrayLike, true: ArrayLike) -> float:
    """Return the Dice coefficient of two masks, in [0, 1]; 1 when both are empty."""
    return confusion(pred, true).dice


@dataclass
class ProbabilityCounts:
    """Histograms of the probability, over true foreground and over background pixels.

    They pool a whole set of images in a few kilobytes, and yield precision, recall,
    IoU and the calibration error afterwards, at any threshold on the grid.

    Parameters
    ----------
    steps
        Number of steps between probability 0 and 1; thresholds are multiples of 1/steps.
    """

    steps: int = 1000
    positive: NDArray[np.int64] = field(init=False, repr=False)
    negative: NDArray[np.int64] = field(init=False, repr=False)
    total: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.positive = np.zeros(self.steps + 1, np.int64)
        self.negative = np.zeros(self.steps + 1, np.int64)
        self.total = np.zeros(self.steps + 1, np.float64)

    def add(self, probability: ArrayLike, true: ArrayLike) -> None:
        """Add the counts of one image.

        Parameters
        ----------
        probability
            Probability of foreground in [0, 1], any shape.
        true
            Mask of the same shape; anything that is not 0 is foreground.

        Raises
        ------
        InputError
            If the shapes differ or a probability is not a number in [0, 1].
        """
        p, t = same_shape(probability, true)
        p, t = p.astype(np.float32, copy=False).ravel(), t.ravel() != 0
        if p.size and not (p.min() >= 0 and p.max() <= 1):
            raise InputError("Probabilities must be numbers between 0 and 1.")
        # float32 edges: a pixel is compared with a threshold as `array >= 0.7` would do it
        edges = np.linspace(0, 1, self.steps + 1).astype(np.float32)
        bins = np.searchsorted(edges, p, side="right") - 1
        everything = np.bincount(bins, minlength=self.steps + 1)
        hits = np.bincount(bins[t], minlength=self.steps + 1)
        self.positive += hits
        self.negative += everything - hits
        self.total += np.bincount(bins, weights=p, minlength=self.steps + 1)

    def confusion(self, threshold: float) -> Confusion:
        """Return the counts where foreground is ``probability >= threshold``.

        Parameters
        ----------
        threshold
            In [0, 1]; rounded to the nearest multiple of ``1 / steps``.
        """
        k = int(np.clip(round(threshold * self.steps), 0, self.steps))
        tp, fp = int(self.positive[k:].sum()), int(self.negative[k:].sum())
        return Confusion(tp, fp, int(self.positive[:k].sum()), int(self.negative[:k].sum()))

    def best_threshold(self) -> float:
        """Return the threshold > 0 with the highest pooled IoU; the middle one of equals."""
        tp = np.cumsum(self.positive[::-1])[::-1][1:]
        fp = np.cumsum(self.negative[::-1])[::-1][1:]
        score = tp / np.maximum(self.positive.sum() + fp, 1)
        best = np.flatnonzero(score == score.max())
        return float(best[len(best) // 2] + 1) / self.steps

    def ece(self, bins: int = 20) -> float:
        """Return the expected calibration error; see :func:`ece`."""
        groups = np.minimum(np.arange(self.steps + 1) * bins // self.steps, bins - 1)
        hits, count, total = (
            np.bincount(groups, weights=w, minlength=bins)
            for w in (self.positive, self.positive + self.negative, self.total)
        )
        return _ratio(float(np.abs(hits - total).sum()), float(count.sum()), 0.0)


def precision_recall(
    probability: ArrayLike, true: ArrayLike, thresholds: Sequence[float] = DEFAULT_THRESHOLDS
) -> list[tuple[float, Confusion]]:
    """Return the confusion at each threshold, with its precision, recall, IoU and Dice.

    Parameters
    ----------
    probability
        Probability of foreground in [0, 1], any shape.
    true
        Mask of the same shape.
    thresholds
        In [0, 1], on a grid of 1/1000. Default: ``DEFAULT_THRESHOLDS``.

    Returns
    -------
    list of (float, Confusion)
        One pair for each threshold, in the order given.

    Raises
    ------
    InputError
        If the shapes differ or a probability is outside [0, 1].
    """
    counts = ProbabilityCounts()
    counts.add(probability, true)
    return [(float(t), counts.confusion(t)) for t in thresholds]


def ece(probability: ArrayLike, true: ArrayLike, bins: int = 20) -> float:
    """Return the expected calibration error of the foreground probability.

    The pixels are grouped by probability into `bins` groups of equal width; the error
    is the mean over pixels of ``|mean probability - fraction of true foreground|`` of
    their group: 0 for a perfectly calibrated model, 1 at worst.

    Parameters
    ----------
    probability
        Probability of foreground in [0, 1], any shape.
    true
        Mask of the same shape.
    bins
        Number of groups. Default: 20.

    Raises
    ------
    InputError
        If the shapes differ or a probability is outside [0, 1].
    """
    counts = ProbabilityCounts()
    counts.add(probability, true)
    return counts.ece(bins)


def brier(probability: ArrayLike, true: ArrayLike) -> float:
    """Return the mean squared difference of probability and truth (0 or 1), in [0, 1]."""
    p, t = same_shape(probability, true)
    return float(np.mean((p.astype(np.float64) - (t != 0)) ** 2))


def pcc(pred: ArrayLike, true: ArrayLike) -> float:
    """Return Pearson's correlation of two intensity images, in [-1, 1]; 0 if one is constant."""
    p, t = (a.astype(np.float64).ravel() for a in same_shape(pred, true))
    p, t = p - p.mean(), t - t.mean()
    return _ratio(float(p @ t), float(np.sqrt((p @ p) * (t @ t))), 0.0)


def mae(pred: ArrayLike, true: ArrayLike) -> float:
    """Return the mean absolute difference of two intensity images, in their own units."""
    p, t = same_shape(pred, true)
    return float(np.mean(np.abs(p.astype(np.float64) - t.astype(np.float64))))
