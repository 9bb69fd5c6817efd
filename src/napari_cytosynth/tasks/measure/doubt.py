"""The doubt of objects of a virtual stain, handed on to objects that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.partners import partners
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import read_source

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["add_doubt", "check_doubted", "has_doubt"]


def has_doubt(source: Any) -> bool:
    """Return whether a layer is that of objects of a virtual stain whose doubt is known."""
    table = _table(source)
    return table is not None and {"label", "doubt"} <= set(table)


def add_doubt(table: pd.DataFrame, labels: Any, axes: str, objects: Any) -> None:
    """Add the column ``doubt`` to a table of measured objects.

    Parameters
    ----------
    table
        Of the objects; changed in place.
    labels
        The objects that were measured, an array.
    axes
        Its axes.
    objects
        Objects of a virtual stain of the same image, or the Labels layer of them.

    Raises
    ------
    InputError
        If they are none, or of another shape.
    """
    found, planes = check_doubted(objects, labels.shape)
    if "doubt" not in found:  # not calibrated
        table.insert(list(table).index("label") + 1, "doubt", np.nan)
        return
    doubts = np.full(int(planes.max(initial=0)) + 1, np.nan)
    known = found[found["label"] < len(doubts)]
    doubts[known["label"].to_numpy()] = known["doubt"].to_numpy()
    matched = _matched(labels, planes.reshape(labels.shape), axes, doubts)
    keys = ["label", *(axis for axis in axes.lower() if axis in table)]
    # an object in space has that of its planes, on average
    means = matched.groupby(keys)["doubt"].mean()
    found = table[keys].merge(means.reset_index(), on=keys, how="left")
    # without any partner the column has no type
    values = found["doubt"].to_numpy(np.float64)
    table.insert(list(table).index("label") + 1, "doubt", values)


def check_doubted(
    objects: Any, shape: tuple[int, ...] | None = None
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Return table and labels of the objects of a virtual stain.

    Parameters
    ----------
    objects
        The objects, or the Labels layer of them.
    shape
        Of the labels that get their doubt. Default: any.

    Raises
    ------
    InputError
        If they are none, or of another shape.
    """
    found = _table(objects)
    if found is None:
        raise InputError(
            "doubt: give the objects of a virtual stain, as stained.objects() returns them, or "
            "their Labels layer."
        )
    planes = objects.labels if hasattr(objects, "labels") else read_source(objects, "doubt").data
    planes = np.asarray(planes)
    other = shape is not None and (
        planes.size != np.prod(shape) or planes.shape[-2:] != tuple(shape[-2:])
    )
    if other:
        raise InputError(
            f"The doubted objects have the shape {planes.shape}, but the labels have "
            f"{tuple(shape or ())}: choose those of the same image."
        )
    return found, planes


def _table(objects: Any) -> pd.DataFrame | None:
    table = getattr(objects, "features", None)
    if not isinstance(table, pd.DataFrame):  # of the objects themselves, other numbers
        table = getattr(objects, "table", None)
    return table if isinstance(table, pd.DataFrame) and "label" in table else None


def _matched(
    labels: Any, found: npt.NDArray[np.integer], axes: str, doubts: npt.NDArray[np.float64]
) -> pd.DataFrame:
    """Return the doubt of each object in each plane that is one of those found (IoU ≥ 0.5)."""
    letters = [axis for axis in axes if axis not in "YX"]
    sizes = [size for axis, size in zip(axes, labels.shape, strict=True) if axis in letters]
    parts = [pd.DataFrame(columns=["label", "doubt", *(axis.lower() for axis in letters)])]
    for index in np.ndindex(*sizes):
        where = plane_slices(axes, index)
        pairs = partners(np.asarray(labels[where]), found[where])
        place = dict(zip((axis.lower() for axis in letters), index, strict=True))
        columns = {
            "label": [own for own, _ in pairs],
            "doubt": doubts[[partner for _, partner in pairs]],
        }
        parts.append(pd.DataFrame(columns | place))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
