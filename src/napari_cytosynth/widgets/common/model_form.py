"""Form that all widgets which run a model share: model and device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, LineEdit, PushButton
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.zoo.settings import default_model, preferred_device

from .folds import Fold
from .model_choice import OTHER, ModelChoice
from .parts import align_captions, plain_label, plain_tooltip
from .preferences import follow_napari

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["ModelForm"]

_DEVICES = (
    ("auto (fastest here)", "auto"),
    ("processor (CPU)", "cpu"),
    ("NVIDIA graphics card (CUDA)", "cuda"),
    ("Apple graphics (MPS)", "mps"),
)


class ModelForm(Container[Any]):
    """Form with a model, its summary, a button, and folded advanced options.

    A subclass sets by ``_task`` which models are offered, and adds rows of its own.

    Parameters
    ----------
    viewer
        The viewer that gets the result.
    """

    _task = "segment"
    _begins_without_model = False
    """Whether no model is chosen at first."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        follow_napari()
        super().__init__(widgets=self._make_choices(), labels=True)
        align_captions(self)
        self._advanced = self._make_advanced()
        self._model.changed.connect(self._on_model)
        self._begin_with_default()
        self._source.native.returnPressed.connect(self._on_source)
        self._browse.changed.connect(self._on_browse)

    def _make_choices(self) -> list[Any]:
        """Return the rows of the form, from top to bottom; the button is the last."""
        self._model = ModelChoice(name="model", task=self._task, ask=self._begins_without_model)
        self._about = plain_label("about")
        self._source = LineEdit(name="source", label="from", visible=False)
        self._source.native.setPlaceholderText("organisation/name or a folder; then Enter")
        self._browse = PushButton(name="browse", text="Choose folder…", visible=False)
        self._run_button = PushButton(name="run_button", text="Run")
        self._run_button.native.setMinimumHeight(30)
        return [self._model, self._about, self._source, self._browse, self._run_button]

    def _make_advanced(self) -> Fold:
        self.device = ComboBox(
            name="device",
            choices=list(_DEVICES),
            tooltip="Where the network runs. Auto takes the graphics card if there is one.",
        )
        self._extras = Container(widgets=self._advanced_rows(), labels=True)
        self._extras.margins = (0, 0, 0, 0)
        align_captions(self._extras)
        folded = Fold("Advanced")
        folded.addWidget(self._extras.native)
        return folded

    def _advanced_rows(self) -> list[Any]:
        return [self.device]

    def _begin_with_default(self) -> None:
        """Choose model and device that the user has chosen for good, where they are there."""
        model, device = default_model(self._task), preferred_device()
        if self._model.knows(model):
            self._model.value = model
        if device in self.device.choices:
            self.device.value = device

    def list_models_again(self) -> None:
        """Offer the models that came or went since; the chosen one stays if it is there."""
        self._model.refresh()
        self._on_model()

    def _on_model(self, *_: Any) -> None:
        other = self._model.value == OTHER
        self._source.visible = self._browse.visible = other
        self._about.value = self._model.summary()
        self._model.tooltip = plain_tooltip(self._model.details(self._model.value))

    def _on_source(self) -> None:
        if self._source.value.strip():
            self._model.value = self._source.value.strip()

    def _on_browse(self, *_: Any) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder of a model")
        if folder:
            self._model.value = folder
