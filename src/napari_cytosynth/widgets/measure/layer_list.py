"""A list of layers with a box to tick for each."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LayerList"]

_LAYER = Qt.ItemDataRole.UserRole
_ROWS = (2, 5)  # shown at least and at most


class LayerList(QListWidget):
    """The image layers, of which any number may be chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSpacing(1)

    @property
    def value(self) -> list[Any]:
        """The chosen layers, as they stand in the list; set to one, several or None."""
        return [layer for item, layer in self._rows() if item.checkState() == Qt.CheckState.Checked]

    @value.setter
    def value(self, layers: Any) -> None:
        wanted = [] if layers is None else layers if isinstance(layers, list | tuple) else [layers]
        for item, layer in self._rows():
            chosen = any(layer is one for one in wanted)
            item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)

    def show_layers(self, layers: Iterable[Any]) -> None:
        """List these layers; those that were chosen stay so."""
        before = self.value
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            item = QListWidgetItem(str(layer.name))
            item.setToolTip(str(layer.name))
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            item.setData(_LAYER, weakref.ref(layer))
            self.addItem(item)
        self.value = before
        self.blockSignals(False)
        self.updateGeometry()
        self.itemChanged.emit(None)

    def sizeHint(self) -> QSize:
        """Return a height of a few rows."""
        rows = min(max(self.count(), _ROWS[0]), _ROWS[1])
        height = max(self.sizeHintForRow(0), self.fontMetrics().height()) + 2 * self.spacing()
        return QSize(120, rows * height + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        """Return the same, or a form that scrolls would squeeze it."""
        return self.sizeHint()

    def _rows(self) -> list[tuple[QListWidgetItem, Any]]:
        items = [self.item(row) for row in range(self.count())]
        rows = [(item, item.data(_LAYER)()) for item in items if item is not None]
        return [(item, layer) for item, layer in rows if layer is not None]
