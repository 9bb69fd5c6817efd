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
    """Add the column ``doubt`` to a table of measured objects, and intervals where there are any.

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
    known = found.drop_duplicates("label").set_index("label")
    places = [axis for axis in axes.lower() if axis not in "cyx"]
    columns = ["doubt"] if "doubt" in known else []
    if all(axis in table for axis in places):
        columns += _with_intervals(known)
    place = list(table).index("label") + 1
    if not columns:  # not calibrated
        table.insert(place, "doubt", np.nan)
        return
    matched = _matched(labels, planes.reshape(labels.shape), axes)
    values = known[columns].reindex(matched["partner"]).set_axis(matched.index)
    # an object in space has that of its planes, on average
    keys = ["label", *(axis for axis in places if axis in table)]
    means = pd.concat([matched[keys], values], axis=1).groupby(keys)[columns].mean()
    wanted = table[keys].merge(means.reset_index(), on=keys, how="left")
    # without any partner a column has no type
    doubts = wanted["doubt"].to_numpy(np.float64) if "doubt" in wanted else np.nan
    table.insert(place, "doubt", doubts)
    for column in columns:
        if column not in table:
            table[column] = wanted[column].to_numpy(np.float64)


def _with_intervals(known: pd.DataFrame) -> list[str]:
    """Return the numbers of a virtual stain whose intervals are known, each before its ends."""
    ends = [name for name in known if str(name).endswith(("_low", "_high"))]
    found: list[str] = []
    for end in ends:
        number = str(end).rpartition("_")[0]
        # areas and shapes of the measured objects are their own
        if number in known and number.startswith(("mean_", "sum_")) and number not in found:
            found.append(number)
        found.append(str(end))
    return found


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


def _matched(labels: Any, found: npt.NDArray[np.integer], axes: str) -> pd.DataFrame:
    """Return for each object in each plane the one of those found that it is (IoU ≥ 0.5)."""
    letters = [axis for axis in axes if axis not in "YX"]
    sizes = [size for axis, size in zip(axes, labels.shape, strict=True) if axis in letters]
    names = [axis.lower() for axis in letters]
    parts = [pd.DataFrame(columns=["label", "partner", *names], dtype=np.int64)]
    for index in np.ndindex(*sizes):
        where = plane_slices(axes, index)
        pairs = np.array(partners(np.asarray(labels[where]), found[where]), np.int64).reshape(-1, 2)
        columns = {"label": pairs[:, 0], "partner": pairs[:, 1]}
        parts.append(pd.DataFrame(columns | dict(zip(names, index, strict=True))))
    return pd.concat(parts, ignore_index=True)
