"""Objects of two label images that are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .instance import overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.integer]

__all__ = ["SAME_FROM", "partners"]

SAME_FROM = 0.5
"""Least IoU of objects that are the same."""


def partners(first: Labels, second: Labels) -> list[tuple[int, int]]:
    """List the pairs of objects with an IoU of at least 0.5: no object is in two of them.

    Parameters
    ----------
    first, second
        Labels of the same shape; 0 and below is background.

    Returns
    -------
    list of (int, int)
        Label in the first and in the second image, by rising label of the first.

    Raises
    ------
    InputError
        If the shapes differ, or labels are not integers.
    """
    first, second = (np.where(one > 0, one, 0) for one in (first, second))
    pairs = overlaps(first, second)
    own, others = (np.unique(one[one > 0]).tolist() for one in (first, second))
    same = pairs.iou >= SAME_FROM
    found: dict[int, int] = {}
    taken: set[int] = set()
    for number, other in zip(pairs.true_index[same], pairs.pred_index[same], strict=True):
        label, partner = own[number], others[other]
        # exactly one half may have two partners: the lower one is kept
        if label not in found and partner not in taken:
            found[label] = partner
            taken.add(partner)
    return list(found.items())
