"""The slider that hides objects of which the model is not sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, FloatSpinBox
from psygnal import Signal

from .histogram import Histogram, confidence_histogram
from .scale import LINEAR
from .threshold_slider import ThresholdSlider

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ConfidencePanel"]

_HEIGHT = 48  # px of the histogram


class ConfidencePanel(Container[Any]):
    """Field, slider and histogram of the confidences, seen where these are known.

    Emits ``settled`` when a drag ends.
    """

    settled = Signal()

    def __init__(self) -> None:
        self.field = FloatSpinBox(
            name="min_confidence",
            label="hide doubtful objects below",
            value=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Objects in which the model is less confident are left out. Confidence is how "
            "probably an object is a true one, learned on validation images; below 0.5 it is "
            "wrong more often than right. On images unlike those of the training it means nothing. "
            "0 hides none.",
        )
        self.field.native.setDecimals(2)
        self.field.native.setKeyboardTracking(False)
        explained = "How confident the model is in its objects. Drag to hide those below."
        self.slider = ThresholdSlider(
            LINEAR,
            Histogram(LINEAR, height=_HEIGHT, explained=explained),
            "Drag: doubtful objects go at once. Double-click: hide none.",
        )
        super().__init__(widgets=[self.field], labels=True, visible=False)
        self.margins = (0, 0, 0, 0)
        self.native.layout().addWidget(self.slider)
        self.slider.set_threshold(0.0)
        self.field.changed.connect(self.slider.set_threshold)
        self.slider.dragged.connect(self._on_dragged)
        self.slider.released.connect(self.settled.emit)
        self.slider.reset.connect(self._on_reset)

    def show_confidences(self, confidence: np.ndarray | None) -> None:
        """Show the histogram of the confidences; None, where these are unknown, hides it all."""
        self.visible = confidence is not None
        if confidence is not None:
            self.slider.set_counts(confidence_histogram(confidence))

    def _on_dragged(self, value: float) -> None:
        self.field.value = round(value, 2)

    def _on_reset(self) -> None:
        self.field.value = 0.0
        self.settled.emit()
