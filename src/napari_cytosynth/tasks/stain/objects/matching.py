"""Objects of two virtual stains of one image, matched: which are in one of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.metrics import best_iou
from napari_cytosynth.metrics.partners import SAME_FROM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.integer]

__all__ = ["DIFFER", "ONLY_FIRST", "ONLY_SECOND", "match_objects"]

ONLY_FIRST, ONLY_SECOND, DIFFER = "only in the first", "only in the second", "differ"
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
            if iou < SAME_FROM:
                kind = alone if iou < _APART_BELOW else DIFFER
                rows.append({"kind": kind, "image": image, "label": label, "iou": iou})
    return pd.DataFrame(rows, columns=["kind", "image", "label", "iou"])
