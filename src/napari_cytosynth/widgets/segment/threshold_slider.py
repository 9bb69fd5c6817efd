"""A slider for a threshold, above a histogram of what it divides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from .histogram import Histogram
from .scale import LOG_ODDS

if TYPE_CHECKING:
    import numpy as np
    from qtpy.QtGui import QMouseEvent, QResizeEvent

    from .scale import Scale

__all__ = ["ThresholdSlider"]

_STEPS = 2000


class _Track(QSlider):
    """Slider that emits `reset` on a double-click."""

    reset = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, _STEPS)
        self.setPageStep(_STEPS // 40)
        self.setSingleStep(_STEPS // 400)

    def handle_width(self) -> int:
        """Return the width of the handle in px, half of which the track loses at each end."""
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        handle = style.subControlRect(
            QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self
        )
        return int(handle.width())

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Emit `reset`."""
        self.reset.emit()


class ThresholdSlider(QWidget):
    """Slider for a threshold in [0, 1], above a histogram.

    Parameters
    ----------
    scale
        Of the track. Default: log-odds.
    histogram
        The plot below it, of the same scale. Default: one of probabilities.
    tooltip
        Of the track. Default: that of the threshold of probabilities.

    Signals: ``dragged(float)`` at every step, ``released()`` when the drag ends,
    ``reset()`` on a double-click.
    """

    dragged = Signal(float)
    released = Signal()
    reset = Signal()

    def __init__(
        self,
        scale: Scale = LOG_ODDS,
        histogram: Histogram | None = None,
        tooltip: str = "Drag: the labels follow at once. Double-click: the model's own.",
    ) -> None:
        super().__init__()
        self._scale = scale
        self.track = _Track()
        self.histogram = Histogram(scale) if histogram is None else histogram
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.track)
        layout.addWidget(self.histogram)
        self.track.valueChanged.connect(self._on_track)
        self.track.sliderReleased.connect(self.released)
        self.histogram.moved.connect(self._on_histogram)
        self.histogram.released.connect(self.released)
        self.track.reset.connect(self.reset)
        self.histogram.reset.connect(self.reset)
        self.track.setToolTip(tooltip)

    @property
    def dragging(self) -> bool:
        """Whether the handle is being dragged."""
        return bool(self.track.isSliderDown())

    def set_threshold(self, threshold: float) -> None:
        """Show a threshold without emitting a signal."""
        self.histogram.set_threshold(threshold)
        with signals_blocked(self.track):
            if not self.track.isSliderDown():
                self.track.setValue(round(float(self._scale.position_of(threshold)) * _STEPS))

    def set_mark(self, threshold: float | None) -> None:
        """Mark the model's own threshold; None removes the mark."""
        self.histogram.set_mark(threshold)

    def set_counts(self, counts: np.ndarray | None) -> None:
        """Show the histogram; None empties it."""
        self.histogram.set_counts(counts)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the histogram's ends under the ends of the handle's travel."""
        super().resizeEvent(event)
        self.histogram.margin = max(self.track.handle_width() // 2, 4)

    def _on_track(self, step: int) -> None:
        self.dragged.emit(self._scale.value_of(step / _STEPS))

    def _on_histogram(self, threshold: float) -> None:
        self.set_threshold(threshold)
        self.dragged.emit(threshold)
