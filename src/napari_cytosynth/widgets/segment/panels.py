"""Panels of the Segment widget: options of the labels, and table of the objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, PushButton, SpinBox
from psygnal import Signal

from napari_cytosynth.widgets.common.parts import align_captions, narrow, plain_label

from .confidence_panel import ConfidencePanel
from .threshold_slider import ThresholdSlider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cytosynth.tasks.segment.instances import LabelOptions

__all__ = ["ALL_IMAGES", "TableFields", "ThresholdPanel"]

ALL_IMAGES = "all images"
"""What is chosen to measure in, if that is no single layer."""

_SPLIT = "Separate objects that touch."
_JOINED_MEANWHILE = f"{_SPLIT} While you drag they stay joined; they part when you let go."
_ALWAYS_APART = f"{_SPLIT} This model's flows separate them, also while you drag."

_FROM_CARD = ("threshold", "min_size", "split_touching")
"""Options that the model's card gives until the user sets them."""

_LARGEST_OBJECT = 10_000_000


class ThresholdPanel(Container[Any]):
    """Controls for threshold, minimum size, holes, touching objects and border.

    Emits ``moved`` whenever one of them changes, and ``settled`` when a drag ends.
    """

    moved = Signal()
    settled = Signal()

    def __init__(self) -> None:
        self._threshold = FloatSpinBox(
            name="threshold",
            value=0.5,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Pixels with at least this probability belong to objects. "
            "Lower: more and larger objects. Higher: fewer and smaller ones.",
        )
        # Values such as 0.0125 are real working thresholds.
        self._threshold.native.setDecimals(4)
        self._threshold.native.setKeyboardTracking(False)
        self._min_size = SpinBox(
            name="min_size",
            label="smallest object, px",
            value=0,
            max=_LARGEST_OBJECT,
            tooltip="Objects of fewer pixels are left out.",
        )
        self._min_size.native.setKeyboardTracking(False)
        self._checks = (
            CheckBox(name="split_touching", text="split touching", tooltip=_SPLIT),
            CheckBox(name="fill_holes", text="fill holes", tooltip="Fill holes in objects."),
            CheckBox(name="drop_border", text="drop cut objects", tooltip="Leave out objects "
                     "that the border of the image cuts."),
        )  # fmt: skip
        self._touched: set[str] = set()
        self._link = CheckBox(
            name="link_planes",
            value=True,
            text="link planes along Z",
            tooltip="Objects of neighbouring planes that overlap are one object, which is "
            "measured in 3-D. Time points are never linked.",
            visible=False,
        )
        self.slider = ThresholdSlider()
        self.confidence = ConfidencePanel()
        self.readout = plain_label("readout")
        super().__init__(widgets=[self._threshold], labels=True)
        self.margins = (0, 0, 0, 0)
        self._lay_out()
        self.preset()
        self._connect()

    def _lay_out(self) -> None:
        layout = self.native.layout()
        align_captions(self)
        layout.addWidget(self.slider)
        layout.addWidget(self.confidence.native)
        layout.addWidget(self.readout.native)
        row = Container(widgets=[self._min_size], labels=True)
        checks = Container(widgets=self._checks, layout="horizontal", labels=False)
        link = Container(widgets=[self._link], labels=False)
        for part in (row, checks, link):
            part.margins = (0, 0, 0, 0)
            layout.addWidget(part.native)
        self._parts = (row, checks, link)

    def _connect(self) -> None:
        for name, part in self.parts().items():
            part.changed.connect(partial(self._on_changed, name))
        self.slider.dragged.connect(self._on_dragged)
        self.slider.released.connect(self.settled.emit)
        self.slider.reset.connect(self._on_reset)
        self.confidence.settled.connect(self.settled.emit)

    def parts(self) -> dict[str, Any]:
        """Return the widgets that a script may set, by name."""
        field = self.confidence.field
        parts = (self._threshold, self._min_size, *self._checks, self._link, field)
        return {part.name: part for part in parts}

    def label_options(self) -> LabelOptions:
        """Return the settings as label options."""
        from napari_cytosynth.tasks.segment.instances import LabelOptions

        return LabelOptions(**{name: part.value for name, part in self.parts().items()})

    def chosen_options(self) -> dict[str, Any]:
        """Return the settings by name; None for those that the model's card gives."""
        untouched = set(_FROM_CARD) - self._touched
        values = {name: part.value for name, part in self.parts().items()}
        if "min_confidence" not in self._touched:
            values["min_confidence"] = 0.0  # not that of another model's objects
        return values | dict.fromkeys(untouched)

    def changed_since(self, options: LabelOptions) -> set[str]:
        """Return the names of what the user has set to other values than these."""
        now = self.label_options()
        return {name for name in self._touched if getattr(now, name) != getattr(options, name)}

    def forget_choices(self) -> None:
        """Let the model's card give again what the user had set."""
        self._touched.clear()

    def preset(self, **values: Any) -> None:
        """Set values without emitting a signal."""
        parts = self.parts()
        for name, value in values.items():
            with parts[name].changed.blocked():
                parts[name].value = value
        self.slider.set_threshold(self._threshold.value)
        self.confidence.slider.set_threshold(self.confidence.field.value)

    def explain_splitting(self, *, by_flows: bool) -> None:
        """Say whether touching objects are separate while the slider is dragged."""
        self._checks[0].tooltip = _ALWAYS_APART if by_flows else _JOINED_MEANWHILE

    def preset_untouched(self, **values: Any) -> None:
        """Set values as :meth:`preset` does, but none that the user has set."""
        self.preset(**{name: v for name, v in values.items() if name not in self._touched})

    def _on_changed(self, name: str, *_: Any) -> None:
        self._touched.add(name)
        self.slider.set_threshold(self._threshold.value)
        self.moved.emit()

    def _on_dragged(self, threshold: float) -> None:
        # Four digits behind the point near 0, as many as the spin box has.
        self._threshold.value = round(threshold, 4 if threshold < 0.1 else 3)

    def _on_reset(self) -> None:
        mark = self.slider.histogram.mark
        if mark is not None:
            self._threshold.value = mark
            self.settled.emit()


def _with_all(layers: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the layers with their names; before several, the choice of all of them."""
    named = [(str(layer.name), layer) for layer in layers]
    return [(ALL_IMAGES, ALL_IMAGES), *named] if len(named) > 1 else named


class TableFields(Container[Any]):
    """Controls of the table: intensity image, display, export and script.

    Parameters
    ----------
    layers
        Returns the image layers that can be measured in.
    actions, tooltips
        Of the buttons 'Show table', 'Save CSV…' and 'Copy as Python'.
    """

    def __init__(
        self,
        layers: Callable[[Any], Sequence[Any]],
        actions: Sequence[Callable[[], Any]],
        tooltips: Sequence[str],
    ) -> None:
        self._intensity = ComboBox(
            name="intensity",
            label="measure in",
            choices=lambda box: _with_all(layers(box)),
            nullable=True,
            tooltip="Also measure the brightness of every object in this layer, or in all images "
            "at once, where they lie.",
        )
        narrow(self._intensity)
        texts = ("Show table", "Save CSV…", "Copy as Python")
        self.buttons = tuple(
            PushButton(text=text, tooltip=tooltip)
            for text, tooltip in zip(texts, tooltips, strict=True)
        )
        for button, action in zip(self.buttons, actions, strict=True):
            button.changed.connect(lambda *_, action=action: action())
        super().__init__(widgets=[self._intensity], labels=True)
        self.margins = (0, 0, 0, 0)
        align_captions(self)
        self._row = Container(widgets=self.buttons, layout="horizontal", labels=False)
        self._row.margins = (0, 0, 0, 0)
        self.native.layout().addWidget(self._row.native)
