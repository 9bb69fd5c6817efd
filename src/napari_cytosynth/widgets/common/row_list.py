"""A list of records with a few columns: its rows as Qt reads them, and the table on the screen."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractItemModel, QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from .parts import plain_tooltip

__all__ = ["RowList", "RowTable"]

_LEAST_ROWS = 7
_TOP = QModelIndex()


class RowTable(QAbstractTableModel):
    """Records as the rows of a table; a subclass says what is written in a cell.

    Parameters
    ----------
    parent
        Of Qt. Default: None.

    Attributes
    ----------
    headers
        Titles of the columns.
    rows
        The records.
    """

    headers: tuple[str, ...] = ()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Any] = []

    def text(self, row: Any, column: int) -> str:
        """Return the text of a cell."""
        raise NotImplementedError

    def tip(self, row: Any) -> str:
        """Return the tooltip of a row, as plain text."""
        raise NotImplementedError

    def show(self, rows: list[Any]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _TOP) -> int:
        """Return the number of records."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = _TOP) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.headers)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the title of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.headers[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text, or the tooltip, of a cell."""
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(row, index.column())
        return plain_tooltip(self.tip(row)) if role == Qt.ItemDataRole.ToolTipRole else None


class RowList(QTableView):
    """The table, in which one row at a time is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.setTabKeyNavigation(False)  # the key leads to the next part of the form
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setShowGrid(False)
        height = self.fontMetrics().lineSpacing() + 6
        rows = self.verticalHeader()
        assert rows is not None
        rows.hide()
        rows.setDefaultSectionSize(height)
        self.setMinimumHeight(height * (_LEAST_ROWS + 1) + 4)

    def show_rows(self, model: QAbstractItemModel) -> QHeaderView:
        """Show the rows of a model; return the header with its columns."""
        self.setModel(model)
        columns = self.horizontalHeader()
        assert columns is not None
        return columns
