"""Objects of two virtual stains of one image, matched: which are in one of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.metrics import best_iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.integer]

__all__ = ["DIFFER", "ONLY_FIRST", "ONLY_SECOND", "match_objects", "partners"]

ONLY_FIRST, ONLY_SECOND, DIFFER = "only in the first", "only in the second", "differ"
_SAME_FROM = 0.5
_APART_BELOW = 0.1


def match_objects(first: Labels, second: Labels) -> pd.DataFrame:
    """List the objects that two label images of one plane or stack do not share.

    Objects with an IoU of at least 0.5 are the same (no object has two such partners). Of the
    others, those that meet nothing (IoU below 0.1) are in one image only; the rest differ in
    shape, are joined or split.

    Parameters
    ----------
    first, second
        (…, Y, X) labels of the same shape, 0 is background.

    Returns
    -------
    DataFrame
        One row for each object that is not shared: ``kind``, ``image`` (``first`` or
        ``second``: whose object it is), ``label`` in that image, ``iou`` (the highest with any
        object of the other).
    """
    rows = []
    for image, own, other, alone in (
        ("first", first, second, ONLY_FIRST),
        ("second", second, first, ONLY_SECOND),
    ):
        labels = np.unique(own[own > 0])
        ious = best_iou(other, own)
        for label, iou in zip(labels.tolist(), ious.tolist(), strict=True):
            if iou < _SAME_FROM:
                kind = alone if iou < _APART_BELOW else DIFFER
                rows.append({"kind": kind, "image": image, "label": label, "iou": iou})
    return pd.DataFrame(rows, columns=["kind", "image", "label", "iou"])


def partners(first: Labels, second: Labels) -> list[tuple[int, int]]:
    """List the pairs of objects with an IoU of at least 0.5: no object is in two of them.

    Parameters
    ----------
    first, second
        Labels of the same shape, 0 is background.
    """
    both = (first > 0) & (second > 0)
    pairs, shared = np.unique(
        np.stack([first[both], second[both]]).astype(np.int64), axis=1, return_counts=True
    )
    sizes = [
        dict(zip(*(n.tolist() for n in np.unique(one, return_counts=True)), strict=True))
        for one in (first, second)
    ]
    found: dict[int, int] = {}
    for (own, other), common in zip(pairs.T.tolist(), shared.tolist(), strict=True):
        # exactly one half may have two partners: the lower one is kept
        union = sizes[0][own] + sizes[1][other] - common
        if common >= _SAME_FROM * union and own not in found and other not in found.values():
            found[own] = other
    return list(found.items())
