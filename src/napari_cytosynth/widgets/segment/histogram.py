"""Histogram of probabilities or confidences, shown under their slider."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from .scale import LOG_ODDS, position_of

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from .scale import Scale

__all__ = ["BINS", "Histogram", "confidence_histogram", "histogram"]

BINS = 120
_MAX_SAMPLES = 1_000_000
_ACCENT = QColor("#f0a13c")
_AXIS_HEIGHT = 16
_FEW_BINS = 40  # of objects, of which there are fewer than of pixels
_EXPLAINED = "How often each probability occurs. Drag to set the threshold."


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


def confidence_histogram(confidence: Any) -> np.ndarray:
    """Count confidences in [0, 1] in bins of equal width; NaN in none."""
    return np.histogram(confidence, _FEW_BINS, (0.0, 1.0))[0]


class Histogram(QWidget):
    """Plot of a histogram with the current threshold and the model's own.

    Parameters
    ----------
    scale
        Of the axis. Default: log-odds.
    height
        In px. Default: 72.
    explained
        The tooltip. Default: that of the probabilities.
    """

    moved = Signal(float)
    released = Signal()
    reset = Signal()

    def __init__(
        self, scale: Scale = LOG_ODDS, *, height: int = 72, explained: str = _EXPLAINED
    ) -> None:
        super().__init__()
        self.margin = 8
        self._scale, self._height, self._explained = scale, height, explained
        self._bars = np.zeros(BINS)
        self._threshold = 0.5
        self._mark: float | None = None
        self._corners: list[QPointF] = []
        self._corners_of: tuple[float, float, float] | None = None  # where they were found
        self.setToolTip(explained)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(220, self._height)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest useful size."""
        return QSize(120, self._height)

    @property
    def mark(self) -> float | None:
        """The model's own threshold."""
        return self._mark

    def set_counts(self, counts: np.ndarray | None) -> None:
        """Show counts in bins of equal width; None empties it."""
        # The logarithm, because background outnumbers everything else a thousandfold.
        bars = np.log1p(np.zeros(BINS) if counts is None else counts)
        self._bars = bars / max(float(bars.max()), 1.0)
        self._corners_of = None
        self.update()

    def set_threshold(self, threshold: float) -> None:
        """Move the line that shows the current threshold."""
        self._threshold = threshold
        self.update()

    def set_mark(self, threshold: float | None) -> None:
        """Mark the model's own threshold."""
        self._mark = threshold
        self.setToolTip(
            self._explained
            if threshold is None
            else f"{self._explained}\nThe dashed line is the model's own threshold, "
            f"{threshold:.3g}: double-click to return to it."
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
        self.moved.emit(self._scale.value_of(min(max(position, 0.0), 1.0)))

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
        return float(self.margin + self._scale.position_of(threshold) * width)

    def _floor(self) -> float:
        return float(self.height() - _AXIS_HEIGHT)

    def _draw_bars(self, painter: QPainter, text: QColor) -> None:
        below = QColor(text)
        below.setAlpha(90)
        bins = len(self._bars)
        cut = int(np.ceil(self._scale.position_of(self._threshold) * bins))
        painter.setPen(Qt.PenStyle.NoPen)
        # two shapes, not one for each bar: they are painted at every step of a drag
        for first, last, colour in ((0, cut, below), (cut, bins, _ACCENT)):
            painter.setBrush(colour)
            painter.drawPolygon(self._outline(first, last))

    def _outline(self, first: int, last: int) -> QPolygonF:
        """Return the outline of some neighbouring bars."""
        width, floor = (self.width() - 2 * self.margin) / len(self._bars), self._floor()
        begin, end = self.margin + first * width, self.margin + last * width
        tops = self._tops(width, floor)[2 * first : 2 * last]
        return QPolygonF([QPointF(begin, floor), *tops, QPointF(end, floor)])

    def _tops(self, width: float, floor: float) -> list[QPointF]:
        """Return the upper corners of all bars, two for each, kept until one of them moves."""
        key = (self.margin, width, floor)
        if self._corners_of != key:
            edges = [self.margin + index * width for index in range(len(self._bars) + 1)]
            tops = [floor - float(bar) * (floor - 6) for bar in self._bars]
            bars = zip(pairwise(edges), tops, strict=True)
            self._corners = [QPointF(x, top) for sides, top in bars for x in sides]
            self._corners_of = key
        return self._corners

    def _draw_axis(self, painter: QPainter, text: QColor) -> None:
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.75, 6.0))
        painter.setFont(font)
        painter.setPen(QPen(text, 1))
        floor = self._floor()
        painter.drawLine(QPointF(self.margin, floor), QPointF(self.width() - self.margin, floor))
        for tick in self._scale.ticks:
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
