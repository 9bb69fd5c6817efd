"""Histogram of a column, with a range on it that is dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cytosynth.widgets.common.layers import format_number

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

__all__ = ["BINS", "RangeHistogram"]

BINS = 48
_ACCENT = QColor("#f0a13c")
_AXIS_HEIGHT, _HEIGHT, _MARGIN = 16, 62, 8  # px
_EXPLAINED = (
    "How many objects have which value. Drag the ends of the range; double-click for all values."
)


class RangeHistogram(QWidget):
    """Bars of a histogram and the two ends of a range, of which a drag moves the nearer one.

    Emits ``moved`` when the user has moved an end.
    """

    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._bars = np.zeros(BINS)
        self._limits = self._range = (0.0, 1.0)
        self._end = 0
        self.setToolTip(_EXPLAINED)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(220, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest useful size."""
        return QSize(120, _HEIGHT)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value within."""
        return self._range

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value of all."""
        return self._limits

    def set_values(self, values: np.ndarray) -> None:
        """Show the histogram of values, NaN left out, at least one of them a number.

        The ends of the range that were at the limits stay there; the others keep their values.
        """
        values = values[np.isfinite(values)]
        limits = float(values.min()), float(values.max())
        was, old = self._range, self._limits
        low = limits[0] if was[0] == old[0] else was[0]
        high = limits[1] if was[1] == old[1] else was[1]
        self._limits, self._range = limits, (low, high)
        counts, _ = np.histogram(values, BINS, self._drawn())
        bars = np.sqrt(counts)  # between linear, where few are not seen, and the logarithm
        self._bars = bars / max(float(bars.max()), 1.0)
        self.update()

    def set_range(self, low: float, high: float) -> None:
        """Set the range; the two are sorted."""
        self._range = min(low, high), max(low, high)
        self.update()

    def reset(self) -> None:
        """Take all values into the range."""
        self._range = self._limits
        self.update()

    def x_of(self, value: float) -> float:
        """Return the place of a value in px from the left."""
        low, high = self._drawn()
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return _MARGIN + share * (self.width() - 2 * _MARGIN)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take the nearer end."""
        if event is None:
            return
        x = event.position().x()
        low, high = (self.x_of(end) for end in self._range)
        self._end = int(abs(x - high) < abs(x - low) or (low == high and x > low))
        self._move(x)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the end that was taken."""
        if event is not None:
            self._move(event.position().x())

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Take all values into the range."""
        self.reset()
        self.moved.emit()

    def _move(self, x: float) -> None:
        ends = list(self._range)
        value = self._value_at(x)
        ends[self._end] = min(value, ends[1]) if self._end == 0 else max(value, ends[0])
        self._range = ends[0], ends[1]
        self.update()
        self.moved.emit()

    def _value_at(self, x: float) -> float:
        """Return the value at a place; at the ends exactly the limits."""
        share = (x - _MARGIN) / max(self.width() - 2 * _MARGIN, 1)
        if share <= 0 or share >= 1:
            return self._limits[int(share >= 1)]
        low, high = self._drawn()
        return low + share * (high - low)

    def _drawn(self) -> tuple[float, float]:
        """Return the limits of the axis, which has a length also where all values are one."""
        low, high = self._limits
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw bars, the axis with its limits, and the range."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        self._draw_bars(painter, text)
        self._draw_axis(painter, text)
        floor = self.height() - _AXIS_HEIGHT
        for end in self._range:
            x = self.x_of(end)
            painter.setPen(QPen(_ACCENT, 2))
            painter.drawLine(QPointF(x, 0), QPointF(x, floor))
            painter.setBrush(_ACCENT)
            painter.drawEllipse(QPointF(x, 4), 3, 3)
        painter.end()

    def _draw_bars(self, painter: QPainter, text: QColor) -> None:
        outside = QColor(text)
        outside.setAlpha(90)
        painter.setPen(Qt.PenStyle.NoPen)
        floor, width = self.height() - _AXIS_HEIGHT, (self.width() - 2 * _MARGIN) / BINS
        low, high = (self.x_of(end) for end in self._range)
        for number, bar in enumerate(self._bars):
            x, height = _MARGIN + number * width, float(bar) * (floor - 8)
            inside = low <= x + width and x <= high
            painter.setBrush(_ACCENT if inside else outside)
            painter.drawRect(QRectF(x, floor - height, width, height))

    def _draw_axis(self, painter: QPainter, text: QColor) -> None:
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.8, 6.0))
        painter.setFont(font)
        painter.setPen(QPen(text, 1))
        floor = self.height() - _AXIS_HEIGHT
        painter.drawLine(QPointF(_MARGIN, floor), QPointF(self.width() - _MARGIN, floor))
        box = QRectF(_MARGIN, floor + 2, self.width() - 2 * _MARGIN, _AXIS_HEIGHT - 2)
        low, high = map(format_number, self._limits)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, low)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, high)
