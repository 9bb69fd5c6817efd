"""A table of objects, whoever made it: its numbers, and filters on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Filter", "ObjectTable"]

_LABEL_COLUMNS = ("label", "index")
"""Columns that number the objects: of this package and scikit-image, and of napari."""


@dataclass(frozen=True)
class Filter:
    """Objects whose value in a column lies between two values, both included.

    Attributes
    ----------
    column
        Name of the column.
    low, high
        The least and the largest value that pass.
    """

    column: Hashable
    low: float
    high: float

    def record(self) -> dict[str, Any]:
        """Return plain values, for a provenance record."""
        return {"column": str(self.column), "between": [self.low, self.high]}


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Rows of objects with their numbers.

    Attributes
    ----------
    table
        The rows.
    labels
        int64 of shape (rows,): the number of each row's object in the labels. The column
        ``label`` or ``index``; without either, row *n* is that of object *n*, as in napari.
    """

    table: pd.DataFrame
    labels: np.ndarray

    @classmethod
    def of(cls, table: Any, name: str) -> ObjectTable:
        """Read the features of a labels layer.

        Parameters
        ----------
        table
            The features; copied.
        name
            Of the layer, for the sentences.

        Raises
        ------
        InputError
            There are no rows, no column has a number, or the objects have no whole numbers.
        """
        rows = pd.DataFrame(table)
        rows = rows.loc[:, ~rows.columns.duplicated()].reset_index(drop=True).copy()
        if len(rows.columns) and not len(rows):
            raise InputError(f"The table of “{name}” has no rows: it is one of no objects.")
        if not len(rows.columns):
            raise InputError(
                f"“{name}” has no table yet. Measure it: Plugins > CytoSynth > Measure."
            )
        labels = _labels_of(rows, name)
        objects = labels != 0  # not the background, of which napari has a row, too
        found = cls(rows[objects].reset_index(drop=True), labels[objects])
        if not found.columns:
            raise InputError(f"The table of “{name}” has no column with numbers.")
        return found

    @property
    def columns(self) -> list[Hashable]:
        """Columns with at least one finite number, in the order of the table."""
        return [
            column
            for column in self.table.columns
            if is_numeric_dtype(self.table[column].dtype) and np.isfinite(self.values(column)).any()
        ]

    @property
    def repeated(self) -> bool:
        """Whether an object has several rows, such as one for each time point."""
        return len(np.unique(self.labels)) < len(self.labels)

    def values(self, column: Hashable) -> np.ndarray:
        """Return a column as float64 of shape (rows,); NaN where there is no finite number."""
        numbers = pd.to_numeric(self.table[column], errors="coerce")
        values = numbers.to_numpy(np.float64, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def limits(self, column: Hashable) -> tuple[float, float]:
        """Return the least and the largest value of a column that has one."""
        values = self.values(column)
        return float(np.nanmin(values)), float(np.nanmax(values))

    def passing(self, filters: Sequence[Filter]) -> np.ndarray:
        """Return which rows pass all filters, bool of shape (rows,); a missing value does not."""
        passed = np.ones(len(self.labels), bool)
        for one in filters:
            values = self.values(one.column)
            passed &= (values >= one.low) & (values <= one.high)
        return passed

    def places(self, axes: str, shape: Sequence[int]) -> np.ndarray | None:
        """Return the plane of each row in labels.

        Parameters
        ----------
        axes
            Letters of the labels' axes, as far as known, such as ``tyx``.
        shape
            Of the labels.

        Returns
        -------
        ndarray or None
            int64 of shape (rows, n), indices of the first n axes; None where the columns ``t`` and
            ``z`` do not tell.
        """
        columns = "".join(axis for axis in "tz" if axis in self.table)
        if set(columns) <= set(axes):
            letters = axes
        else:
            letters = f"{columns}yx" if len(shape) == 2 + len(columns) else "tzyx"[-len(shape) :]
        if not columns or not letters.startswith(columns):
            return None
        found = np.stack([self.values(axis) for axis in columns], axis=1)
        inside = (found == np.round(found)) & (found >= 0) & (found < shape[: len(columns)])
        return found.astype(np.int64) if inside.all() else None

    def row_of(self, label: int) -> int | None:
        """Return the place of an object's first row; None without one."""
        found = np.flatnonzero(self.labels == label)
        return int(found[0]) if len(found) else None

    def by_label(self, column: Hashable) -> tuple[np.ndarray, np.ndarray]:
        """Return each object once, with its value: the mean of its rows, NaN without a number.

        Returns
        -------
        (ndarray, ndarray)
            int64 labels, rising, and float64 values, both of shape (objects,).
        """
        means = pd.Series(self.values(column)).groupby(self.labels).mean()
        return means.index.to_numpy(np.int64), means.to_numpy(np.float64)

    def most_doubtful(self) -> np.ndarray:
        """Return the places of the rows, the most doubtful first.

        By rising ``confidence``, else by falling ``doubt``; rows without a value come last.

        Raises
        ------
        InputError
            The table has neither column.
        """
        for column, sign in (("confidence", 1.0), ("doubt", -1.0)):
            if column in self.columns:
                return np.argsort(sign * self.values(column), kind="stable")  # NaN last
        raise InputError(
            "The table has no column “confidence” or “doubt”: Segment writes the one, "
            "Measure and Stain the other."
        )


def _labels_of(rows: pd.DataFrame, name: str) -> np.ndarray:
    column = next((one for one in _LABEL_COLUMNS if one in rows.columns), None)
    if column is None:
        return np.arange(len(rows), dtype=np.int64)
    kind = rows[column].dtype
    if isinstance(kind, np.dtype) and np.can_cast(kind, np.int64):
        return rows[column].to_numpy(np.int64)  # from 2**53 on, floats would be other numbers
    values = pd.to_numeric(rows[column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise InputError(
            f"The column “{column}” of the table of “{name}” must hold the whole number of "
            "each object. Measure the layer again, or correct the column."
        )
    return values.astype(np.int64)
