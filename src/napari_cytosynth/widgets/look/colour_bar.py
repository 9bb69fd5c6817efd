"""The colours of a column and the values that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cytosynth.tasks.look.colours import LEVELS, UNKNOWN, levels_of
from napari_cytosynth.widgets.common.layers import format_number

__all__ = ["ColourBar", "colours_of", "scale_of_colours"]

_BAR, _TEXT = 14, 16  # px


def scale_of_colours() -> np.ndarray:
    """Return viridis in steps, float32 RGBA of shape (LEVELS, 4)."""
    from napari.utils.colormaps import ensure_colormap

    colours: Any = ensure_colormap("viridis").map(np.linspace(0, 1, LEVELS))
    return np.asarray(colours, np.float32)


def colours_of(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the colour of each value, float32 RGBA of shape (values, 4); of NaN grey."""
    steps = levels_of(values, low, high)
    return np.where(steps[:, None] < 0, UNKNOWN, scale_of_colours()[steps])


class ColourBar(QWidget):
    """A bar of the colours with the values at its ends, and grey where values are missing."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = (0.0, 1.0)
        self.missing = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(220, _BAR + _TEXT)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest useful size."""
        return QSize(120, _BAR + _TEXT)

    def show_limits(self, low: float, high: float, missing: int) -> None:
        """Show the values at the ends, and how many objects are without a value."""
        self.limits, self.missing = (low, high), missing
        about = f"Grey: {missing} without a value." if missing else ""
        self.setToolTip(about)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the bar and its numbers."""
        painter = QPainter(self)
        width = self.width() - 2
        gradient = QLinearGradient(1, 0, width, 0)
        colours = scale_of_colours()[:: LEVELS // 16]
        for number, colour in enumerate(colours):
            gradient.setColorAt(number / (len(colours) - 1), QColor.fromRgbF(*map(float, colour)))
        painter.fillRect(QRectF(1, 0, width, _BAR), gradient)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        box = QRectF(1, _BAR, width, _TEXT)
        low, high = map(format_number, self.limits)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight, high)
        if self.missing:
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, f"grey: {self.missing} without")
        painter.end()
