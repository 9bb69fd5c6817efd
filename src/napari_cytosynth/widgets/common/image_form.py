"""Form of a widget that runs a model on an image layer: image, axes, planes, pixel size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, RadioButtons

from napari_cytosynth.errors import InputError

from . import layers
from .parts import narrow, plain_label, size_box
from .run_widget import RunWidget
from .snapshot import LayerSnapshot

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["CURRENT", "WHOLE", "ImageForm"]

CURRENT, WHOLE = "current plane", "whole stack"
_LARGEST_PIXEL = 100_000.0


class ImageForm(RunWidget):
    """Form for the input of a run: image, model, axes, planes and device.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered and that gets the result.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._image.changed.connect(self._on_image)
        self._axes.changed.connect(self._on_axes)
        self._meaning.changed.connect(self._on_meaning)
        self.pixel_size.changed.connect(self._on_pixel_size)

    def _make_choices(self) -> list[Any]:
        *model, run = super()._make_choices()
        self.axes = self._axes = self._make_axes()
        self._image = ComboBox(
            name="image", choices=self._image_layers, tooltip=f"The image layer to {self._task}."
        )
        narrow(self._image, 16)
        self._meaning = ComboBox(
            name="meaning",
            label="it holds",
            choices=lambda box: layers.axes_choices(self._image.value, self._axes.value),
            nullable=True,
            tooltip="What the axes of the image are, besides rows and columns. Files do not "
            "always tell; correct it if it is wrong.",
            visible=False,
        )
        narrow(self._meaning, 16)
        self._reading = plain_label("reading")
        self._channel = ComboBox(
            name="channel",
            choices=self._channel_choices,
            tooltip="The channel that the model is to see.",
            visible=False,
        )
        self._planes = RadioButtons(
            name="planes",
            label=self._task,
            choices=[CURRENT, WHOLE],
            orientation="horizontal",
        )
        self._planes.value = WHOLE
        self._resample = CheckBox(
            name="resample",
            text="resample the image",
            tooltip="Objects in this image are much larger or smaller, in pixels, than in the "
            "images that the model has learned from. Resampling brings them to the same size.",
            visible=False,
        )
        rows = [self._meaning, self._reading, self._channel, self._planes, self._resample]
        return [self._image, *model, *rows, run]

    def _make_axes(self) -> LineEdit:
        """Return the letters of the axes, for scripts, and for what the choice has no words for."""
        return LineEdit(
            name="axes",
            label="axes",
            tooltip="One letter for each axis of the image: T time, Z depth, C channel, Y, X; any "
            "other letter counts planes. The choice “it holds” fills it in.",
        )

    def _advanced_rows(self) -> list[Any]:
        about = "Width of a pixel, for areas and lengths in the table and for resampling."
        self.pixel_size = size_box("pixel_size", "pixel size, µm", about, _LARGEST_PIXEL)
        self._prefilled = 0.0
        return [self.pixel_size, *super()._advanced_rows(), self.axes]

    def _image_layers(self, _: Any = None) -> list[Any]:
        return layers.image_layers(self._viewer)

    def _channel_choices(self, _: Any = None) -> list[tuple[str, int | None]]:
        return layers.channel_choices(self._image.value, self._axes.value, self._channels())

    def _choose_active_layer(self) -> None:
        self.reset_choices()
        active = self._viewer.layers.selection.active
        if active in self._image.choices:
            self._image.value = active

    def _on_image(self, *_: Any) -> None:
        layer = self._image.value
        self._axes.value = "" if layer is None else layers.guess_layer_axes(layer, self._channels())
        own = None if layer is None else layers.pixel_size_um(layer)
        self.pixel_size.value = min(own[-1], _LARGEST_PIXEL) if own else 0.0
        self._prefilled = self.pixel_size.value
        self._on_pixel_size()

    def _given_pixel_size(self) -> float | None:
        """Return the pixel size that the user entered; None for 0 or the layer's own."""
        value = float(self.pixel_size.value)
        return None if value in (0.0, self._prefilled) else value

    def _known_pixel_size(self) -> tuple[float, ...] | None:
        given, layer = self._given_pixel_size(), self._image.value
        if given is not None:
            return (given, given)
        return None if layer is None else layers.pixel_size_um(layer)

    def _channels(self) -> int:
        card = self._model.card()
        return 1 if card is None else len(card.inference.input_channels)

    def _chosen_channels(self) -> tuple[int, ...] | None:
        first = self._channel.value
        if first is None or len(self._channel.choices) <= self._channels():
            return None
        return tuple(range(first, first + self._channels()))

    def _on_meaning(self, axes: str | None) -> None:
        if axes and str(self.status.value).startswith("⚠"):  # it asked for this choice
            self._show_status("")
        if axes and axes != layers.fitting_axes(self._image.value, self._axes.value):
            self._axes.value = axes

    def _show_meaning(self, layer: Any) -> None:
        """Offer what the layer's axes may be, and choose what they are said to be."""
        with self._meaning.changed.blocked():
            self._meaning.reset_choices()
            self._meaning.value = (
                None if layer is None else layers.fitting_axes(layer, self._axes.value) or None
            )
        self._meaning.visible = len(self._meaning.choices) > 2

    def _on_axes(self, *_: Any) -> None:
        layer = self._image.value
        self._show_meaning(layer)
        text, planes = layers.describe_axes(layer, self._axes.value)
        unknown = planes > 0 and self._known_pixel_size() is None
        self._reading.value = f"{text}, pixel size unknown" if unknown else text
        self._planes.visible = planes > 1
        self._channel.reset_choices()
        self._channel.visible = len(self._channel.choices) > self._channels()

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        self._on_pixel_size()

    def _on_pixel_size(self, *_: Any) -> None:
        from napari_cytosynth.tasks.common.resample import TOLERANCE

        self._on_axes()
        card, mine = self._model.card(), self._known_pixel_size()
        trained = card.inference.pixel_size_um if card else None
        differs = bool(mine and trained) and not all(
            1 / TOLERANCE <= size / (trained or 1) <= TOLERANCE for size in mine or ()
        )
        self._resample.visible = differs
        if not differs:
            self._resample.value = False
        elif mine:
            self._resample.text = f"resample from {mine[-1]:.3g} to the model's {trained:.3g} µm/px"

    def _common_request(self) -> dict[str, Any]:
        """Return the arguments that the requests of all tasks share, as the form has them now.

        Raises
        ------
        InputError
            No image or no model is chosen, or the axes do not fit.
        """
        layer = self._image.value
        if layer is None:
            raise InputError("Open an image first, or choose one: File > Open Sample has some.")
        axes = layers.checked_axes(layer, self._axes.value)
        plane = layers.plane_in_view(self._viewer, layer, axes)
        return {
            "image": LayerSnapshot.of(layer),
            "model": self._chosen_model(),
            "axes": axes,
            "channels": self._chosen_channels(),
            "planes": plane if plane and self._planes.value == CURRENT else None,
            "device": self.device.value,
            "resample": self._resample.value,
            "pixel_size": self._given_pixel_size(),
            "visible": plane,
        }
