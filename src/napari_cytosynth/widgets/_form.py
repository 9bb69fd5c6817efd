"""The upper part of the Segment widget: which image, which model, run how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, PushButton, RadioButtons
from qtpy.QtWidgets import QFileDialog
from superqt import QCollapsible

from napari_cytosynth.widgets import _reading
from napari_cytosynth.widgets._model_choice import OTHER, ModelChoice
from napari_cytosynth.widgets._panels import plain_label

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["CURRENT", "WHOLE", "SegmentForm"]

CURRENT, WHOLE = "current plane", "whole stack"
_DEVICES = (
    ("auto (fastest here)", "auto"),
    ("processor (CPU)", "cpu"),
    ("NVIDIA graphics card (CUDA)", "cuda"),
    ("Apple graphics (MPS)", "mps"),
)


class SegmentForm(Container[Any]):
    """Image, model, axes, planes, device: what a run needs to know.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        super().__init__(widgets=self._make_choices(), labels=True)
        self._advanced = self._make_advanced()
        self._image.changed.connect(self._on_image)
        self._model.changed.connect(self._on_model)
        self._axes.changed.connect(self._on_axes)
        self._source.native.returnPressed.connect(self._on_source)
        self._browse.changed.connect(self._on_browse)

    def _make_choices(self) -> list[Any]:
        self._image = ComboBox(
            name="image", choices=self._image_layers, tooltip="The image layer to segment."
        )
        self._image.native.setMinimumContentsLength(16)
        self._model = ModelChoice(name="model")
        self._about = plain_label("about")
        self._source = LineEdit(name="source", label="from", visible=False)
        self._source.native.setPlaceholderText("organisation/name or a folder; then Enter")
        self._browse = PushButton(name="browse", label="", text="Choose folder…", visible=False)
        self._axes = LineEdit(
            name="axes",
            tooltip="One letter for each axis of the layer: T time, Z depth, C channel, Y, X. "
            "Correct it if the line below is wrong.",
        )
        self._reading = plain_label("reading")
        self._planes = RadioButtons(
            name="planes",
            label="segment",
            choices=[CURRENT, WHOLE],
            orientation="horizontal",
        )
        self._planes.value = WHOLE
        self._run_button = PushButton(name="run_button", label="", text="Run")
        return [
            self._image, self._model, self._about, self._source, self._browse,
            self._axes, self._reading, self._planes, self._run_button,
        ]  # fmt: skip

    def _make_advanced(self) -> QCollapsible:
        self.device = ComboBox(
            name="device",
            choices=list(_DEVICES),
            tooltip="Where the network runs. Auto takes the graphics card if there is one.",
        )
        self.resample = CheckBox(
            name="resample",
            label="",
            text="resample to the model's pixel size",
            tooltip="For images much finer or coarser than those the model has learned from.",
        )
        self._extras = Container(widgets=[self.device, self.resample], labels=True)
        self._extras.margins = (0, 0, 0, 0)
        folded = QCollapsible("Advanced")
        folded.addWidget(self._extras.native)
        folded.collapse(animate=False)
        return folded

    def _image_layers(self, _: Any = None) -> list[Any]:
        return _reading.image_layers(self._viewer)

    def _choose_active_layer(self) -> None:
        self.reset_choices()
        active = self._viewer.layers.selection.active
        if active in self._image.choices:
            self._image.value = active

    def _on_image(self, *_: Any) -> None:
        layer = self._image.value
        self._axes.value = "" if layer is None else _reading.guess(layer)
        self._on_axes()

    def _on_axes(self, *_: Any) -> None:
        layer = self._image.value
        text, planes = _reading.interpret(layer, self._axes.value)
        self._reading.value = text
        self._planes.visible = planes > 1

    def _on_model(self, *_: Any) -> None:
        other = self._model.value == OTHER
        self._source.visible = self._browse.visible = other
        self._about.value = self._model.summary()
        self._model.tooltip = self._model.details(self._model.value)

    def _on_source(self) -> None:
        if self._source.value.strip():
            self._model.value = self._source.value.strip()

    def _on_browse(self, *_: Any) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder of a model")
        if folder:
            self._model.value = folder
