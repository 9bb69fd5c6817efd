"""Columns that users added to a table of objects, kept when the objects are measured anew."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.metrics.partners import partners
from napari_cytosynth.tasks.common.axes import plane_slices

from .columns import is_measured

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["has_own_columns", "keep_own_columns", "labels_before"]

_KEYS = ("label", "index")


def has_own_columns(features: Any) -> bool:
    """Return whether a table has columns that no measurement makes."""
    return isinstance(features, pd.DataFrame) and bool(_own(features, ()))


def keep_own_columns(
    table: pd.DataFrame,
    features: Any,
    keys: Sequence[str],
    before: pd.Series | None = None,
) -> pd.DataFrame:
    """Return a new table of objects with the columns of an old one that it has not.

    Parameters
    ----------
    table
        New, with the column ``label``.
    features
        The old table, or None. Rows belong to the object of their ``label``, else of their
        ``index``; else row n is that of object n, as in napari.
    keys
        Columns besides the label that tell rows apart, such as ``t``.
    before
        Label that each object of `table` had in the old one; 0 for none. Default: the same.
    """
    if not isinstance(features, pd.DataFrame) or not len(features):
        return table
    own = _own(features, table)
    if not own:
        return table
    old = features[own].copy()
    old["label"] = _labels(features)
    shared = [key for key in keys if key in features and key in table]
    old[shared] = features[shared]
    on = ["label", *shared]
    old = old.drop_duplicates(on)
    wanted = table[on].copy()
    if before is not None:
        wanted["label"] = before.to_numpy()
    found = wanted.merge(old, on=on, how="left").set_axis(table.index)
    return pd.concat([table, found[own]], axis=1)


def labels_before(labels: Any, before: Any, axes: str) -> dict[int, int]:
    """Return the label that each object had in other labels of the same image.

    That of the object whose IoU with it is at least 0.5, in most of its planes.

    Parameters
    ----------
    labels, before
        Labels of the same shape.
    axes
        Letters of their axes.
    """
    sizes = [size for axis, size in zip(axes, labels.shape, strict=True) if axis not in "YX"]
    votes: Counter[tuple[int, int]] = Counter()
    for index in np.ndindex(*sizes):
        where = plane_slices(axes, index)
        votes.update(partners(np.asarray(labels[where]), np.asarray(before[where])))
    return {label: partner for (label, partner), _ in reversed(votes.most_common())}


def _own(features: pd.DataFrame, table: Any) -> list[Any]:
    return [
        name
        for name in features
        if name not in _KEYS and name not in table and not is_measured(str(name))
        and not (isinstance(name, str) and len(name) == 1 and name in "tzpcqrs")
    ]  # fmt: skip


def _labels(features: pd.DataFrame) -> Any:
    for key in _KEYS:
        if key in features and pd.api.types.is_integer_dtype(features[key].dtype):
            return features[key].to_numpy()
    return np.arange(len(features))
