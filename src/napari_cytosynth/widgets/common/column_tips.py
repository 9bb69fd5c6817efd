"""Tooltips over the heads of a table's columns: what they mean, with formula and unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QTableView, QToolTip

if TYPE_CHECKING:
    from qtpy.QtCore import QEvent

__all__ = ["ColumnTips", "explain_columns"]


def explain_columns(widget: Any) -> None:
    """Explain the columns of the tables in a widget, such as napari's features table."""
    for view in widget.findChildren(QTableView):
        if view.findChild(ColumnTips) is None:
            ColumnTips(view)


class ColumnTips(QObject):
    """Shows what a column means while the pointer rests on its head.

    Parameters
    ----------
    view
        The table; it owns this object.
    """

    def __init__(self, view: QTableView) -> None:
        super().__init__(view)
        header: Any = view.horizontalHeader()
        header.viewport().installEventFilter(self)
        self._header = header

    def text_of(self, column: int) -> str:
        """Return the explanation of a column by its place; empty where there is none."""
        from napari_cytosynth.tasks.measure.columns import describe_column

        names = [self.name_of(place) for place in range(self._header.count())]
        return describe_column(names[column], names) or "" if 0 <= column < len(names) else ""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Show the tooltip of the column under the pointer."""
        if not isinstance(event, QHelpEvent):
            return bool(super().eventFilter(watched, event))
        place = event.pos()
        text = self.text_of(self._header.logicalIndexAt(place))
        QToolTip.showText(event.globalPos(), text, self._header)
        return True

    def name_of(self, column: int) -> str:
        """Return the name of a column by its place."""
        model = self._header.model()
        shown = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole)
        return str(shown)
