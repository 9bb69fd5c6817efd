"""Rows of a table of objects, as Qt's views read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_cytosynth.widgets.common.parts import plain_tooltip

if TYPE_CHECKING:
    from napari_cytosynth.tasks.look.table import ObjectTable

__all__ = ["RowModel"]

_NO_INDEX = QModelIndex()
_ROLE = Qt.ItemDataRole


class RowModel(QAbstractTableModel):
    """The rows that pass, in the order of a column; nothing can be edited.

    Rows without a value come last, whichever way they are sorted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._table: ObjectTable | None = None
        self._frame = pd.DataFrame()
        self._passing = np.zeros(0, bool)
        self._columns: dict[int, np.ndarray] = {}
        self._sorted: tuple[str, bool] | None = None
        self._rows = np.zeros(0, np.int64)

    def show_rows(self, table: ObjectTable | None, passing: np.ndarray) -> bool:
        """Show rows of a table, in the order that was chosen; return whether they are others.

        Parameters
        ----------
        table
            The table; None: no rows.
        passing
            bool of shape (rows,): those that are shown.
        """
        if table is self._table and np.array_equal(passing, self._passing):
            return False
        self.beginResetModel()
        if table is not self._table:
            self._table, self._columns = table, {}
            self._frame = pd.DataFrame() if table is None else _with_labels(table)
        self._passing = passing
        self._arrange()
        self.endResetModel()
        return True

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self._frame.columns]

    @property
    def labels(self) -> np.ndarray:
        """Numbers of the objects of the rows, in the order shown, int64."""
        return np.zeros(0, np.int64) if self._table is None else self._table.labels[self._rows]

    def text_of(self, rows: list[int]) -> str:
        """Return rows as text for the clipboard: tabs between values, the names above."""
        shown = self._frame.iloc[self._rows[rows]]
        return str(shown.to_csv(sep="\t", index=False, lineterminator="\n"))

    # -- of Qt ------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = _NO_INDEX) -> int:
        """Return the number of rows that pass."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _NO_INDEX) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._frame.columns)

    def data(self, index: QModelIndex, role: int = _ROLE.DisplayRole) -> Any:
        """Return the text of a cell, or where it stands in it."""
        if not index.isValid():
            return None
        value = self._values(index.column())[self._rows[index.row()]]
        if role == _ROLE.DisplayRole:
            return _in_words(value)
        if role == _ROLE.TextAlignmentRole and isinstance(value, int | float | np.number):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> Any:
        """Return the name of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.names):
            return None
        if role == _ROLE.ToolTipRole:
            from napari_cytosynth.tasks.measure.columns import describe_column

            names = self.names
            return plain_tooltip(describe_column(names[section], names) or names[section])
        return self.names[section] if role == _ROLE.DisplayRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; by none (-1) in the order of the table."""
        names = self.names
        if 0 <= column < len(names):
            self._sorted = names[column], order == Qt.SortOrder.DescendingOrder
        else:
            self._sorted = None
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    # -- within -----------------------------------------------------------------------------------

    def _arrange(self) -> None:
        self._rows = np.flatnonzero(self._passing)
        if self._sorted is None or self._sorted[0] not in self.names:
            return
        name, falling = self._sorted
        ranks = _ranks(self._frame.iloc[:, self.names.index(name)].iloc[self._rows])
        self._rows = self._rows[np.argsort(-ranks if falling else ranks, kind="stable")]

    def _values(self, column: int) -> np.ndarray:
        if column not in self._columns:
            self._columns[column] = self._frame.iloc[:, column].to_numpy()
        return self._columns[column]


def _with_labels(table: ObjectTable) -> pd.DataFrame:
    """Return the rows with the number of their object once, also where the table has none."""
    frame = table.table
    if "label" in frame:
        return frame.drop(columns="index", errors="ignore")  # by which napari finds a row
    if "index" in frame:
        return frame
    return frame.assign(label=table.labels)[["label", *frame.columns]]


def _ranks(values: pd.Series[Any]) -> np.ndarray:
    """Return numbers by which a column is sorted; NaN where there is no value."""
    if is_numeric_dtype(values.dtype):
        return np.asarray(values.to_numpy(np.float64, na_value=np.nan))
    codes = pd.factorize(values.astype("string"), sort=True)[0]
    return np.where(codes < 0, np.nan, codes)


def _in_words(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)
