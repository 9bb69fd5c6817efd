"""Histogram of the probabilities, shown under the threshold slider."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

__all__ = ["BINS", "Histogram", "histogram", "position_of", "threshold_of"]

BINS = 120
# The ends of the track. Between them it is linear in the log-odds, so that 0.01 to 0.05
# takes as much room as 0.5 to 0.84, and 0.99 is as easy to reach as 0.01.
LOWEST = 0.001
_SPAN = float(np.log((1 - LOWEST) / LOWEST))
_TICKS = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_MAX_SAMPLES = 1_000_000
_ACCENT = QColor("#f0a13c")
_AXIS_HEIGHT = 16


def position_of(threshold: Any) -> Any:
    """Return where a threshold in [0, 1] lies on the track, 0 (left) to 1 (right)."""
    t = np.clip(threshold, LOWEST, 1 - LOWEST)
    return 0.5 + np.log(t / (1 - t)) / (2 * _SPAN)


def threshold_of(position: float) -> float:
    """Return the threshold at a position of the track; inverse of `position_of`."""
    return float(1 / (1 + np.exp(-(2 * position - 1) * _SPAN)))


def histogram(probability: Any) -> np.ndarray:
    """Count probabilities in `BINS` bins of equal width on the track.

    Parameters
    ----------
    probability
        Array of any shape with values in [0, 1]; at most a million values, evenly
        spaced over it, are counted.

    Returns
    -------
    ndarray
        int64 of shape (BINS,).
    """
    step = max(1, int(np.ceil(np.sqrt(max(probability.size, 1) / _MAX_SAMPLES))))
    values = np.asarray(probability[..., ::step, ::step], dtype=np.float32)
    values = values[np.isfinite(values)]
    index = (position_of(values) * BINS).astype(np.intp).clip(0, BINS - 1)
    return np.bincount(index, minlength=BINS)


class Histogram(QWidget):
    """Plot of the histogram with the current threshold and the model's own."""

    moved = Signal(float)
    released = Signal()
    reset = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.margin = 8
        self._bars = np.zeros(BINS)
        self._threshold = 0.5
        self._mark: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(220, 72)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest useful size."""
        return QSize(120, 72)

    @property
    def mark(self) -> float | None:
        """The model's own threshold."""
        return self._mark

    def set_counts(self, counts: np.ndarray | None) -> None:
        """Show the counts of `histogram`; None empties it."""
        # The logarithm, because background outnumbers everything else a thousandfold.
        bars = np.log1p(np.zeros(BINS) if counts is None else counts)
        self._bars = bars / max(float(bars.max()), 1.0)
        self.update()

    def set_threshold(self, threshold: float) -> None:
        """Move the line that shows the current threshold."""
        self._threshold = threshold
        self.update()

    def set_mark(self, threshold: float | None) -> None:
        """Mark the model's own threshold."""
        self._mark = threshold
        self.setToolTip(
            "How often each probability occurs. Drag to set the threshold."
            if threshold is None
            else "How often each probability occurs. Drag to set the threshold.\n"
            f"The dashed line is the model's own threshold, {threshold:.3g}: "
            "double-click to return to it."
        )
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Set the threshold under the pointer."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follow the pointer while a button is held."""
        if event is None:
            return
        width = max(self.width() - 2 * self.margin, 1)
        position = (event.position().x() - self.margin) / width
        self.moved.emit(threshold_of(min(max(position, 0.0), 1.0)))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Emit `released` at the end of a drag."""
        self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Emit `reset`, for the model's own threshold."""
        self.reset.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw bars, axis, the model's mark and the threshold."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        if not self.isEnabled():
            painter.setOpacity(0.35)
        self._draw_bars(painter, text)
        self._draw_axis(painter, text)
        if self._mark is not None:
            self._draw_line(painter, self._mark, QPen(text, 1.4, Qt.PenStyle.DashLine))
        self._draw_line(painter, self._threshold, QPen(_ACCENT, 2))
        self._draw_handle(painter)
        painter.end()

    def _x(self, threshold: float) -> float:
        width = self.width() - 2 * self.margin
        return float(self.margin + position_of(threshold) * width)

    def _floor(self) -> float:
        return float(self.height() - _AXIS_HEIGHT)

    def _draw_bars(self, painter: QPainter, text: QColor) -> None:
        below = QColor(text)
        below.setAlpha(90)
        cut = int(np.ceil(position_of(self._threshold) * BINS))
        painter.setPen(Qt.PenStyle.NoPen)
        # two shapes, not one for each bar: they are painted at every step of a drag
        for first, last, colour in ((0, cut, below), (cut, BINS, _ACCENT)):
            painter.setBrush(colour)
            painter.drawPolygon(self._outline(first, last))

    def _outline(self, first: int, last: int) -> QPolygonF:
        """Return the outline of some neighbouring bars."""
        width, floor = (self.width() - 2 * self.margin) / BINS, self._floor()
        edges = [self.margin + index * width for index in range(first, last + 1)]
        points = [QPointF(edges[0], floor)]
        for (left, right), bar in zip(pairwise(edges), self._bars[first:last], strict=True):
            top = floor - float(bar) * (floor - 6)
            points += [QPointF(left, top), QPointF(right, top)]
        return QPolygonF([*points, QPointF(edges[-1], floor)])

    def _draw_axis(self, painter: QPainter, text: QColor) -> None:
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.75, 6.0))
        painter.setFont(font)
        painter.setPen(QPen(text, 1))
        floor = self._floor()
        painter.drawLine(QPointF(self.margin, floor), QPointF(self.width() - self.margin, floor))
        for tick in _TICKS:
            x = self._x(tick)
            painter.drawLine(QPointF(x, floor), QPointF(x, floor + 3))
            box = QRectF(x - 20, floor + 3, 40, _AXIS_HEIGHT - 3)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{tick:g}")

    def _draw_line(self, painter: QPainter, threshold: float, pen: QPen) -> None:
        painter.setPen(pen)
        x = self._x(threshold)
        painter.drawLine(QPointF(x, 0), QPointF(x, self._floor()))

    def _draw_handle(self, painter: QPainter) -> None:
        x = self._x(self._threshold)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_ACCENT)
        painter.drawPolygon(QPolygonF([QPointF(x - 5, 0), QPointF(x + 5, 0), QPointF(x, 8)]))
