"""Rows in which layers are chosen, and what belongs to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container

from napari_cytosynth.widgets.common.parts import narrow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST", "LayerRows"]

MOST = 50
"""Largest number of rows."""
_CHARACTERS = 9


class LayerRows(Container[Any]):
    """Rows that are added and removed at the end; one row at first, and never less.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    below
        What stands below the rows. Default: nothing.
    """

    def __init__(self, viewer: Any, *below: Any) -> None:
        self._viewer = viewer
        self._rows: list[Container[Any]] = []
        super().__init__(widgets=list(below), labels=False)
        self.margins = (0, 0, 0, 0)
        self.add_row()

    def make_row(self) -> Container[Any]:
        """Return another row."""
        raise NotImplementedError

    def box(self, layers: Callable[[Any], list[Any]], tooltip: str) -> ComboBox:
        """Return a choice of layers for a new row; of the first row, the first layer is chosen."""
        found = ComboBox(choices=lambda _: layers(self._viewer), nullable=True, tooltip=tooltip)
        narrow(found, _CHARACTERS)
        first = next(iter(layers(self._viewer)), None)
        if first is not None and not self._rows:
            found.value = first
        return found

    def resize(self, count: int) -> None:
        """Have as many rows, but one at least, and offer the layers that are there now."""
        while len(self._rows) < min(count, MOST):
            self.add_row()
        while len(self._rows) > max(count, 1):
            self.remove_row()
        self.reset_choices()

    def add_row(self) -> None:
        """Add a row, unless there are as many as can be."""
        if len(self._rows) >= MOST:
            return
        row = self.make_row()
        self.insert(len(self._rows), row)
        self._rows.append(row)

    def remove_row(self) -> None:
        """Remove the last row, unless it is the only one."""
        if len(self._rows) > 1:
            row = self._rows.pop()
            self.remove(row)
            row.native.deleteLater()
