"""The table beside the viewer: its rows are the objects that pass, and those selected are lit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from .model import RowModel

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex, QObject

    from napari_cytosynth.tasks.look.table import ObjectTable

__all__ = ["TablePanel"]

_ROW_HEIGHT, _HEIGHT = 22, 112  # px, of a row and of the table at least
_MEASURED = 100  # rows by which the width of a column is chosen
_FLAG = QItemSelectionModel.SelectionFlag
_WHOLE_ROWS = _FLAG.ClearAndSelect | _FLAG.Rows
_HELP = "Click a head to sort, a row to select its object, twice to go there. Ctrl+C copies rows."


class TablePanel(QWidget):
    """Table of the objects that pass.

    Emits ``picked`` with a frozenset of the numbers of the objects whose rows the user selects,
    and ``asked`` with the number of the object that the user wants to go to.
    """

    picked = Signal(object)
    asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.model, self.view = RowModel(), QTableView()
        self._leading = False  # the selection comes from elsewhere
        self._fitted: list[str] = []
        self._arrange()
        view = self.view
        view.setAccessibleName("Objects and their values")
        view.setTabKeyNavigation(False)  # the key leads to the next part of the window
        view.setModel(self.model)
        selection = view.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selection)
        view.doubleClicked.connect(self._on_twice)
        self.model.modelAboutToBeReset.connect(self._hold)
        self.model.modelReset.connect(self._select_again)
        self._selected: frozenset[int] = frozenset()
        view.installEventFilter(self)

    def _arrange(self) -> None:
        view, layout = self.view, QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.addWidget(view)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setWordWrap(False)
        view.setMinimumSize(160, _HEIGHT)
        heads, numbers = view.horizontalHeader(), view.verticalHeader()
        assert heads is not None
        assert numbers is not None
        heads.setResizeContentsPrecision(_MEASURED)
        heads.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        heads.setToolTip(_HELP)
        view.setSortingEnabled(True)
        numbers.hide()
        numbers.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)  # no row is measured
        numbers.setDefaultSectionSize(_ROW_HEIGHT)

    def show_rows(
        self, table: ObjectTable | None, passing: np.ndarray, selected: frozenset[int]
    ) -> None:
        """Show rows of a table, in the order that the user chose.

        Parameters
        ----------
        table
            The table; None: no rows.
        passing
            bool of shape (rows,): those that are shown.
        selected
            Numbers of the objects whose rows are selected.
        """
        changed, self._selected = selected != self._selected, selected
        if self.model.show_rows(table, passing):
            if self.model.names != self._fitted:
                self.view.resizeColumnsToContents()
                self._fitted = self.model.names
        elif changed:
            self._select_again()

    @property
    def rows(self) -> list[int]:
        """Places of the rows that are selected, as shown, rising."""
        selection = self.view.selectionModel()
        assert selection is not None
        parts: Any = selection.selection()  # a list, of which the types know nothing
        ranges = [(part.top(), part.bottom()) for part in parts]
        return sorted({row for top, bottom in ranges for row in range(top, bottom + 1)})

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Copy whole rows, where Qt would copy a single value."""
        if isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Copy):
            if event.type() == QEvent.Type.KeyPress:
                self.copy()
            return True
        return bool(super().eventFilter(watched, event))

    def copy(self) -> None:
        """Copy the rows that are selected to the clipboard."""
        board = QGuiApplication.clipboard()
        if board is not None and self.rows:
            board.setText(self.model.text_of(self.rows))

    def _hold(self) -> None:
        self._leading = True  # Qt deselects all rows of a model that changes

    def _select_again(self) -> None:
        """Select the rows of the objects that are selected, and show the first of them."""
        rows = np.flatnonzero(np.isin(self.model.labels, list(self._selected)))
        selection, last = QItemSelection(), self.model.columnCount() - 1
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            if len(run):
                first, end = int(run[0]), int(run[-1])
                selection.select(self.model.index(first, 0), self.model.index(end, last))
        model: Any = self.view.selectionModel()
        self._leading = True
        model.select(selection, _WHOLE_ROWS)
        self._leading = False
        if len(rows):
            self.view.scrollTo(self.model.index(int(rows[0]), self._first_column()))

    def _first_column(self) -> int:
        """Return the column at the left edge, so that the table is not moved sideways."""
        return max(self.view.columnAt(1), 0)

    def _on_selection(self, *_: Any) -> None:
        if self._leading:
            return
        found = frozenset(self.model.labels[self.rows].tolist())
        if found != self._selected:
            self._selected = found
            self.picked.emit(found)

    def _on_twice(self, index: QModelIndex) -> None:
        self.asked.emit(int(self.model.labels[index.row()]))
