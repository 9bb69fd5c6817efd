"""Scores of labelled objects: matching by overlap, AP, F1, AJI and panoptic quality.

Label images are integer arrays of any, but equal, shape; 0 is background, and labels
need not be consecutive. AP is ``TP / (TP + FP + FN)``, as usual for cells and nuclei.
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
    "AP_THRESHOLDS",
    "InstanceScores",
    "Matching",
    "aji",
    "average_precision",
    "f1",
    "matching",
    "overlaps",
    "panoptic_quality",
]

AP_THRESHOLDS: tuple[float, ...] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Overlaps:
    """Areas of the objects of two label images, and of every pair that overlaps.

    Parameters
    ----------
    true_area, pred_area
        Area of each object in pixels, in the order of its label.
    true_index, pred_index, intersection
        One entry for each overlapping pair: indices into the two areas, and pixels shared.
    """

    true_area: NDArray[np.int64]
    pred_area: NDArray[np.int64]
    true_index: NDArray[np.int64]
    pred_index: NDArray[np.int64]
    intersection: NDArray[np.int64]

    @property
    def union(self) -> NDArray[np.int64]:
        """Pixels in either object, for each pair."""
        return self.true_area[self.true_index] + self.pred_area[self.pred_index] - self.intersection

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union, in (0, 1], for each pair."""
        return self.intersection / self.union


@dataclass(frozen=True)
class Matching:
    """How many objects were matched one to one at an IoU of at least `threshold`.

    Parameters
    ----------
    threshold
        The least IoU of a match, in (0, 1].
    tp, fp, fn
        Matched pairs, predicted objects left over, true objects left over.
    iou_sum
        Sum of the IoU of the matched pairs.
    """

    threshold: float
    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Matching) -> Matching:
        if other.threshold != self.threshold:
            raise InputError("Matches at different IoU thresholds cannot be added.")
        return Matching(
            self.threshold,
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.iou_sum + other.iou_sum,
        )

    def _of(self, part: float, whole: float) -> float:
        return float(part / whole) if whole else 1.0

    @property
    def average_precision(self) -> float:
        """``TP / (TP + FP + FN)``; 1 when there is no object in either image."""
        return self._of(self.tp, self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """``2 TP / (2 TP + FP + FN)``; 1 when there is no object in either image."""
        return self._of(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """Fraction of predicted objects that match; 1 when none is predicted."""
        return self._of(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Fraction of true objects that are matched; 1 when there is none."""
        return self._of(self.tp, self.tp + self.fn)

    @property
    def panoptic_quality(self) -> float:
        """Mean IoU of the matches times F1; 1 when there is no object in either image."""
        return self._of(self.iou_sum, self.tp + 0.5 * self.fp + 0.5 * self.fn)


def _numbered(labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels renumbered to 0..n without gaps, and the areas of 1..n."""
    array: NDArray[Any] = np.asarray(labels)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"Labels must be whole numbers, not {array.dtype}.")
    flat = array.ravel()
    if flat.size and int(flat.min()) < 0:
        raise InputError("Labels must not be negative.")
    # a table beats sorting, but a stray huge label would make it huge
    if flat.size and int(flat.max()) > 4 * flat.size + 1000:
        values, flat = np.unique(flat, return_inverse=True)
        flat = flat + (values[0] != 0)
    area = np.bincount(flat.astype(np.int64, copy=False), minlength=1)
    present = area > 0
    present[0] = False
    number = np.cumsum(present) * present
    return number[flat], area[present]


def overlaps(true: ArrayLike, pred: ArrayLike) -> Overlaps:
    """Return the areas of all objects and of all pairs that overlap.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.

    Raises
    ------
    InputError
        If the shapes differ, or labels are negative or not integers.
    """
    if np.shape(true) != np.shape(pred):
        raise InputError(
            f"The two label images differ in size: {np.shape(true)} and {np.shape(pred)}."
        )
    t, true_area = _numbered(true)
    p, pred_area = _numbered(pred)
    both = (t > 0) & (p > 0)
    width = len(pred_area) + 1
    keys, shared = np.unique(t[both] * width + p[both], return_counts=True)
    return Overlaps(true_area, pred_area, keys // width - 1, keys % width - 1, shared)


def _assign(pairs: Overlaps, threshold: float) -> NDArray[np.float64]:
    """Return the IoU of the pairs of the largest one-to-one matching."""
    scores = pairs.iou
    good = scores >= threshold
    rows, columns, scores = pairs.true_index[good], pairs.pred_index[good], scores[good]
    row_ids, r = np.unique(rows, return_inverse=True)
    column_ids, c = np.unique(columns, return_inverse=True)
    if len(row_ids) == len(column_ids) == len(rows):
        return scores  # above an IoU of 0.5 no object can have two partners
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((len(row_ids), len(column_ids)))
    table[r, c] = scores
    # as many matches as possible first, the highest sum of IoU among those
    gain = (table > 0) + table / (2 * min(table.shape))
    chosen = table[linear_sum_assignment(gain, maximize=True)]
    result: NDArray[np.float64] = chosen[chosen > 0]
    return result


def _matching(pairs: Overlaps, threshold: float) -> Matching:
    if not 0 < threshold <= 1:
        raise InputError(f"An IoU threshold lies above 0 and at most at 1, not at {threshold}.")
    matched = _assign(pairs, threshold)
    return Matching(
        threshold,
        len(matched),
        len(pairs.pred_area) - len(matched),
        len(pairs.true_area) - len(matched),
        float(matched.sum()),
    )


def matching(true: ArrayLike, pred: ArrayLike, threshold: float = 0.5) -> Matching:
    """Match true and predicted objects one to one.

    As many pairs as possible with an IoU of at least `threshold` are matched, and among
    all such matchings the one with the highest sum of IoU.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.
    threshold
        Least IoU of a match, in (0, 1]. Default: 0.5.

    Raises
    ------
    InputError
        If the shapes differ, labels are negative or not integers, or the threshold is
        not in (0, 1].
    """
    return _matching(overlaps(true, pred), threshold)


def average_precision(
    true: ArrayLike, pred: ArrayLike, thresholds: Sequence[float] = AP_THRESHOLDS
) -> NDArray[np.float64]:
    """Return ``TP / (TP + FP + FN)`` of one image at each IoU threshold.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.
    thresholds
        IoU thresholds in (0, 1]; the default's mean is AP@0.5:0.95.

    Returns
    -------
    ndarray, shape (len(thresholds),)
        In [0, 1]; 1 when there is no object in either image.

    Raises
    ------
    InputError
        As :func:`matching`.
    """
    pairs = overlaps(true, pred)
    return np.array([_matching(pairs, t).average_precision for t in thresholds])


def f1(true: ArrayLike, pred: ArrayLike, threshold: float = 0.5) -> float:
    """Return the F1 score of the objects of one image, in [0, 1]; see :func:`matching`."""
    return matching(true, pred, threshold).f1


def panoptic_quality(true: ArrayLike, pred: ArrayLike, threshold: float = 0.5) -> float:
    """Return the panoptic quality of one image, in [0, 1]; see :func:`matching`."""
    return matching(true, pred, threshold).panoptic_quality


def _jaccard_areas(pairs: Overlaps) -> tuple[int, int]:
    """Return the summed intersection and union of the aggregated Jaccard index."""
    order = np.lexsort((-pairs.iou, pairs.true_index))
    true_index = pairs.true_index[order]
    first = np.ones(len(order), bool)
    first[1:] = true_index[1:] != true_index[:-1]
    best = order[first]
    missed = np.delete(pairs.true_area, pairs.true_index[best]).sum()
    spurious = np.delete(pairs.pred_area, pairs.pred_index[best]).sum()
    union = pairs.union[best].sum() + missed + spurious
    return int(pairs.intersection[best].sum()), int(union)


def aji(true: ArrayLike, pred: ArrayLike) -> float:
    """Return the aggregated Jaccard index of one image (Kumar et al. 2017).

    Each true object takes the predicted one of the highest IoU; the sum of their
    intersections is divided by the sum of their unions and of all predicted objects that
    nobody took.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.

    Returns
    -------
    float
        In [0, 1]; 1 when there is no object in either image.

    Raises
    ------
    InputError
        If the shapes differ, or labels are negative or not integers.
    """
    intersection, union = _jaccard_areas(overlaps(true, pred))
    return intersection / union if union else 1.0


@dataclass(frozen=True)
class ImageScores:
    """The scores of one image: a matching for each threshold, and the Jaccard areas."""

    matchings: tuple[Matching, ...]
    intersection: int
    union: int

    @property
    def aji(self) -> float:
        """Aggregated Jaccard index; 1 when there is no object in either image."""
        return self.intersection / self.union if self.union else 1.0

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """AP at each threshold."""
        return np.array([m.average_precision for m in self.matchings])


@dataclass
class InstanceScores:
    """Scores over a set of images: add them one by one, then read.

    ``pooled`` figures count the objects of all images together (an image with many
    objects weighs more); ``mean`` figures average the images' own scores.

    Parameters
    ----------
    thresholds
        IoU thresholds in (0, 1].
    """

    thresholds: tuple[float, ...] = AP_THRESHOLDS
    images: list[ImageScores] = field(default_factory=list)

    def add(self, true: ArrayLike, pred: ArrayLike) -> ImageScores:
        """Add one image and return its own scores.

        Parameters
        ----------
        true, pred
            Label images of the same shape, 0 is background.

        Raises
        ------
        InputError
            If the shapes differ, or labels are negative or not integers.
        """
        pairs = overlaps(true, pred)
        scores = ImageScores(
            tuple(_matching(pairs, t) for t in self.thresholds), *_jaccard_areas(pairs)
        )
        self.images.append(scores)
        return scores

    def pooled(self, threshold: float = 0.5) -> Matching:
        """Return the matches of all images together at one of the thresholds."""
        k = self._index(threshold)
        return sum((image.matchings[k] for image in self.images), Matching(self.thresholds[k]))

    @property
    def pooled_average_precision(self) -> NDArray[np.float64]:
        """AP of all images together, at each threshold; its mean is AP@0.5:0.95."""
        return np.array([self.pooled(t).average_precision for t in self.thresholds])

    @property
    def pooled_aji(self) -> float:
        """AJI of all images together."""
        union = sum(image.union for image in self.images)
        return sum(image.intersection for image in self.images) / union if union else 1.0

    @property
    def mean_average_precision(self) -> NDArray[np.float64]:
        """Mean over images of their AP, at each threshold; nan without images."""
        if not self.images:
            return np.full(len(self.thresholds), np.nan)
        mean: NDArray[np.float64] = np.mean([i.average_precision for i in self.images], axis=0)
        return mean

    def mean(self, name: str, threshold: float = 0.5) -> float:
        """Return the mean over images of a property of :class:`Matching`, such as ``"f1"``."""
        k = self._index(threshold)
        values = [float(getattr(image.matchings[k], name)) for image in self.images]
        return float(np.mean(values)) if values else float("nan")

    @property
    def mean_aji(self) -> float:
        """Mean over images of their AJI; nan without images."""
        return float(np.mean([i.aji for i in self.images])) if self.images else float("nan")

    def _index(self, threshold: float) -> int:
        close = np.flatnonzero(np.isclose(self.thresholds, threshold))
        if not len(close):
            raise InputError(f"No matches were counted at an IoU of {threshold}.")
        return int(close[0])
