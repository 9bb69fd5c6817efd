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
        True objects that are divided among several predicted ones.
    merges
        Predicted objects that cover several true ones.
    true, predicted
        Numbers of objects.
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
    """Count splits and merges.

    A predicted object belongs to a true one if more than half of it lies inside and it
    covers at least `fraction` of the true one; a true object that two or more belong to is
    split. Merges are the same with the roles exchanged.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.
    fraction
        Least fraction of an object that a part covers; smaller parts are crumbs. Default: 0.2.

    Raises
    ------
    InputError
        If the shapes differ, or labels are negative or not integers.
    """
    pairs = overlaps(true, pred)
    true_area, pred_area = pairs.true_area, pairs.pred_area
    of_true = pairs.intersection / true_area[pairs.true_index]
    of_pred = pairs.intersection / pred_area[pairs.pred_index]
    return Partition(
        _shared(pairs.true_index[(of_pred > 0.5) & (of_true >= fraction)]),
        _shared(pairs.pred_index[(of_true > 0.5) & (of_pred >= fraction)]),
        len(true_area),
        len(pred_area),
    )


def _shared(owners: NDArray[np.int64]) -> int:
    """Return how many owners occur at least twice."""
    return int(np.count_nonzero(np.bincount(owners, minlength=1) > 1))
