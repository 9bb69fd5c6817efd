"""The list of files: the table in which a user chooses, and on which files are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QAbstractItemView, QHeaderView

from napari_cytosynth.widgets.common.row_list import RowList

from .file_order import FileOrder
from .file_rows import FileModel

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent

__all__ = ["FileList"]


class FileList(RowList):
    """The table, in which one row at a time is chosen, and on which files can be dropped.

    Attributes
    ----------
    files, order
        All rows, and which of them are shown in which order.
    takes_files
        Whether files can be dropped now.
    dropped
        Signal with the paths of files and folders.
    """

    dropped = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Images, and how far each is")
        self.files = FileModel(self)
        self.order = FileOrder(self.files, self)
        self.takes_files = True
        self.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
        columns = self.show_rows(self.order)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as they are done
        columns.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)

    def chosen(self) -> int | None:
        """Return the number of the row that is chosen; None without one."""
        index = self.currentIndex()
        return self.row_at(index) if index.isValid() else None

    def row_at(self, index: QModelIndex) -> int:
        """Return the number, among all rows, of one that is shown."""
        return int(self.order.mapToSource(index).row())

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files of this machine."""
        self._take(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:
        """Take files of this machine."""
        self._take(event)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Hand on the paths of what was dropped."""
        if (paths := self._take(event)) and event is not None:
            self.dropped.emit(paths)

    def _take(self, event: QDropEvent | None) -> list[str]:
        """Accept or refuse what is dragged; return the paths of files and folders."""
        mime = None if event is None else event.mimeData()
        urls = mime.urls() if mime is not None and self.takes_files else []
        paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
        if event is not None and paths:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        elif event is not None:
            event.ignore()
        return paths
