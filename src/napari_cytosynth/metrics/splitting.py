"""Split and merged objects of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .instance import overlaps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Partition", "partition"]


@dataclass(frozen=True)
class Partition:
    """Counts of one or, added up, of several images.

    Attributes
    ----------
    splits
        True objects that are divided among several predicted ones. Default: 0.
    merges
        Predicted objects that cover several true ones. Default: 0.
    true, predicted
        Numbers of objects. Default: 0.
    """

    splits: int = 0
    merges: int = 0
    true: int = 0
    predicted: int = 0

    def __add__(self, other: Partition) -> Partition:
        return Partition(
            self.splits + other.splits,
            self.merges + other.merges,
            self.true + other.true,
            self.predicted + other.predicted,
        )

    @property
    def count_error(self) -> float:
        """Predicted minus true objects, over the true ones; nan without any of those."""
        return (self.predicted - self.true) / self.true if self.true else float("nan")


def partition(true: ArrayLike, pred: ArrayLike, fraction: float = 0.2) -> Partition:
    """Count split and merged objects.

    As Coelho et al. 2009 (ISBI, doi 10.1109/ISBI.2009.5193098), each predicted object belongs to
    the true one that most of it lies in, or to none: a true object is split if two or more
    belong to it. Merges are the same with the roles exchanged. Beyond that source, crumbs do not
    count: besides the largest part, the others must make up `fraction` of what all parts cover.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.
    fraction
        Least share, in [0, 1], of the parts but the largest; 0 counts every crumb, as in the
        source. Default: 0.2.

    Raises
    ------
    InputError
        If the shapes differ, or labels are negative or not integers.
    """
    pairs = overlaps(true, pred)
    true_area, pred_area = pairs.true_area, pairs.pred_area
    inside_true = pairs.intersection > 0.5 * pred_area[pairs.pred_index]
    inside_pred = pairs.intersection > 0.5 * true_area[pairs.true_index]
    return Partition(
        _shared(pairs.true_index[inside_true], pairs.intersection[inside_true], fraction),
        _shared(pairs.pred_index[inside_pred], pairs.intersection[inside_pred], fraction),
        len(true_area),
        len(pred_area),
    )


def _shared(owners: NDArray[np.int64], areas: NDArray[np.int64], fraction: float) -> int:
    """Return how many owners have several parts, of which more than crumbs."""
    if not len(owners):
        return 0
    count, whole = np.bincount(owners), np.bincount(owners, areas)
    largest = np.zeros(len(count))
    np.maximum.at(largest, owners, areas)
    return int(np.count_nonzero((count > 1) & (whole - largest >= fraction * whole)))
