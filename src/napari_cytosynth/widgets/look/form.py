"""The form of the Look widget."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container, PushButton
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.parts import (
    align_captions,
    heading,
    make_scrollable,
    narrow,
    plain_label,
)

from .colour_bar import ColourBar
from .filters import FilterList
from .saving.panel import SavingPanel

__all__ = ["LookForm", "RowView"]

_ROW_HEIGHT, _ROWS_HEIGHT = 20, 150  # px


class LookForm(Container[Any]):
    """Fields: the labels, filters, the column of the colours, and the object that is selected.

    Attributes
    ----------
    objects, colour_by
        magicgui comboboxes.
    filters
        The filters.
    status
        The sentence that the user reads.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.objects = ComboBox(
            name="objects",
            choices=lambda _: layers.label_layers(viewer),
            tooltip="Labels with a table: of Segment, Measure, or your own.",
        )
        self.shown_count = plain_label("count")
        self.colour_by = ComboBox(
            name="colour_by",
            label="colour by",
            choices=lambda _: self._colour_choices(),
            nullable=True,
            tooltip="Colour every object by its value in a column. “-----”: their own colours.",
        )
        for box in (self.objects, self.colour_by):
            narrow(box)
        self.filters, self.bar, self.row = FilterList(), ColourBar(), RowView()
        self.bar.hide()
        self.saving = SavingPanel()
        self._make_buttons()
        self.status = plain_label("status")
        super().__init__(widgets=[self.objects, self.colour_by], labels=True)
        align_captions(self)
        self._arrange()

    def _make_buttons(self) -> None:
        self.add_button = PushButton(
            text="Add filter", tooltip="Objects outside of it vanish at once."
        )
        self.reset_button = PushButton(
            text="Reset",
            tooltip="Remove all filters and colours: the layer looks as before.",
        )
        self.previous_button = PushButton(
            text="◀ Previous", tooltip="The more doubtful object before."
        )
        self.next_button = PushButton(
            text="Next doubtful ▶",
            tooltip="Go from object to object: the least confident first (column “confidence”, "
            "or “doubt”).",
        )
        self.plot_button = PushButton(
            text="Plot",
            tooltip="A histogram and a scatter of two columns; draw around points to select them.",
        )
        self.show_button = PushButton(
            text="Show table", tooltip="The rows of the objects that are shown, below the viewer."
        )

    def _arrange(self) -> None:
        layout = self.native.layout()
        layout.addWidget(self.bar)
        layout.addWidget(heading("Filters"))
        layout.addWidget(self.filters)
        self._rows = [
            Container(widgets=row, layout="horizontal", labels=False)
            for row in (
                [self.add_button, self.reset_button],
                [self.show_button, self.plot_button],
                [self.previous_button, self.next_button],
            )
        ]
        for part in self._rows:
            part.margins = (0, 0, 0, 0)
        filters, table, walk = self._rows
        layout.addWidget(filters.native)
        layout.addWidget(self.shown_count.native)
        layout.addWidget(table.native)
        layout.addWidget(heading("Take along"))
        layout.addWidget(self.saving.native)
        layout.addWidget(heading("Selected object"))
        layout.addWidget(walk.native)
        layout.addWidget(self.status.native)
        layout.addWidget(self.row)
        make_scrollable(self.native)

    def _colour_choices(self) -> list[Any]:
        return []

    def enable(self, enabled: bool) -> None:
        """Let the parts be used that need a table."""
        walk = (self.previous_button, self.next_button)
        filters = (self.add_button, self.reset_button)
        for part in (self.colour_by, *filters, *walk, self.show_button, self.plot_button):
            part.enabled = enabled
        self.saving.enable(enabled)


class RowView(QTableWidget):
    """The values of one row of a table, one below the other."""

    def __init__(self) -> None:
        super().__init__(0, 2)
        self.setAccessibleName("Values of the selected object")
        self.setTabKeyNavigation(False)  # the key leads to the next part of the form
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFixedHeight(_ROWS_HEIGHT)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            assert header is not None
            header.hide()
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        assert vertical is not None
        assert horizontal is not None
        vertical.setDefaultSectionSize(_ROW_HEIGHT)
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)

    def show_values(self, values: dict[Any, Any]) -> None:
        """Show names and values; empty clears it."""
        self.setRowCount(len(values))
        for number, (name, value) in enumerate(values.items()):
            for column, text in enumerate((str(name), _in_words(value))):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(number, column, item)

    def text_of(self, name: str) -> str:
        """Return the shown value of a column; empty without one."""
        found = self.findItems(name, Qt.MatchFlag.MatchExactly)
        item = self.item(found[0].row(), 1) if found else None
        return "" if item is None else item.text()


def _in_words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
