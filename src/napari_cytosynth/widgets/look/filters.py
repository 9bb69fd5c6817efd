"""The list of filters: each a column, its histogram and the two values between which it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cytosynth.tasks.look.table import Filter
from napari_cytosynth.widgets.common.parts import plain_tooltip

from .range_histogram import RangeHistogram

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_cytosynth.tasks.look.table import ObjectTable

__all__ = ["FilterList", "FilterRow"]

_USUAL = ("area_um2", "area_px", "volume_um3", "volume_px", "confidence", "doubt")
"""Columns of the first filters, where the table has them."""


class FilterRow(QWidget):
    """One filter. Emits ``changed``, and ``removed`` when its cross is clicked."""

    changed = Signal()
    removed = Signal(object)

    def __init__(self, table: ObjectTable, column: Hashable) -> None:
        super().__init__()
        self._table, self._columns = table, list(table.columns)
        self.column = QComboBox()
        self.column.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.column.setMinimumContentsLength(10)
        self.column.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.histogram = RangeHistogram()
        self.low, self.high = _number("The least value"), _number("The largest value")
        self.cross = QToolButton()
        self.cross.setText("✕")
        self.cross.setToolTip("Remove this filter.")
        self._arrange()
        self._list(column)
        self.histogram.reset()
        self.column.currentIndexChanged.connect(self._on_column)
        self.histogram.moved.connect(self._on_drag)
        self.low.valueChanged.connect(self._on_number)
        self.high.valueChanged.connect(self._on_number)
        self.cross.clicked.connect(lambda: self.removed.emit(self))
        self._show_numbers()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self.column, 1)
        above.addWidget(self.cross)
        below.addWidget(self.low, 1)
        below.addWidget(QLabel("to"))
        below.addWidget(self.high, 1)
        layout.addLayout(above)
        layout.addWidget(self.histogram)
        layout.addLayout(below)

    @property
    def filter(self) -> Filter:
        """The filter as it is set."""
        return Filter(self._columns[self.column.currentIndex()], *self.histogram.range)

    def show_table(self, table: ObjectTable) -> bool:
        """Show another table of the same layer; return whether it has the column."""
        column = self.filter.column
        if column not in table.columns:
            return False
        self._table, self._columns = table, list(table.columns)
        self._list(column)
        self._show_numbers()
        return True

    def _list(self, column: Hashable) -> None:
        self.column.blockSignals(True)
        self.column.clear()
        self.column.addItems([str(one) for one in self._columns])
        self.column.setCurrentIndex(self._columns.index(column))
        self.column.blockSignals(False)
        self.histogram.set_values(self._table.values(column))
        from napari_cytosynth.tasks.measure.columns import describe_column

        explained = describe_column(str(column), [str(one) for one in self._columns]) or ""
        self.column.setToolTip(plain_tooltip(explained))

    def _on_column(self, _index: int) -> None:
        self._list(self._columns[self.column.currentIndex()])
        self.histogram.reset()
        self._show_numbers()
        self.changed.emit()

    def _on_drag(self) -> None:
        self._show_numbers()
        self.changed.emit()

    def _on_number(self, _value: float) -> None:
        # an end that was not typed keeps the value that the field rounds
        ends = [
            old if box.value() == round(old, box.decimals()) else box.value()
            for box, old in zip((self.low, self.high), self.histogram.range, strict=True)
        ]
        self.histogram.set_range(*ends)
        self._show_numbers()
        self.changed.emit()

    def _show_numbers(self) -> None:
        low, high = self.histogram.limits
        size = max(abs(low), abs(high))
        decimals = 4 if size < 10 else 2 if size < 10_000 else 0
        for box, value in zip((self.low, self.high), self.histogram.range, strict=True):
            box.blockSignals(True)
            box.setDecimals(decimals if size >= 0.01 else 9)
            box.setSingleStep((high - low) / 50 or 1.0)
            box.setValue(value)
            box.blockSignals(False)


class FilterList(QWidget):
    """The filters, one below the other. Emits ``changed``."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[FilterRow] = []
        self._table: ObjectTable | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def filters(self) -> list[Filter]:
        """All filters as they are set."""
        return [row.filter for row in self.rows]

    def add(self, column: Hashable | None = None) -> FilterRow | None:
        """Add a filter that passes all values; None without a table.

        Parameters
        ----------
        column
            Its column. Default: the area or the like, of which there is no filter yet.
        """
        if self._table is None:
            return None
        row = FilterRow(self._table, self._next() if column is None else column)
        row.changed.connect(self.changed)
        row.removed.connect(self.remove)
        self.rows.append(row)
        self._layout.addWidget(row)
        self.changed.emit()
        return row

    def _next(self) -> Hashable:
        assert self._table is not None
        columns, used = self._table.columns, {one.column for one in self.filters}
        wanted = [*_USUAL, *(one for one in columns if one not in ("label", "index")), *columns]
        free = (one for one in wanted if one in columns and one not in used)
        return next(free, columns[0])

    def remove(self, row: FilterRow) -> None:
        """Remove a filter."""
        self._drop(row)
        self.changed.emit()

    def clear(self) -> None:
        """Remove all filters, without a signal."""
        for row in list(self.rows):
            self._drop(row)

    def _drop(self, row: FilterRow) -> None:
        self.rows.remove(row)
        self._layout.removeWidget(row)
        row.hide()
        row.deleteLater()

    def show_table(self, table: ObjectTable | None) -> list[str]:
        """Show another table; return the columns whose filters went, as it has them no more."""
        self._table = table
        gone = [row for row in self.rows if table is None or not row.show_table(table)]
        names = [str(row.filter.column) for row in gone]
        for row in gone:
            self._drop(row)
        return names


def _number(tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-1e15, 1e15)
    box.setKeyboardTracking(False)
    box.setMinimumWidth(60)
    box.setToolTip(f"{tooltip} that passes.")
    return box
