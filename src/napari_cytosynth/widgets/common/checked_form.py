"""Form of a widget that compares the image with the model's training images before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import layers
from .image_form import ImageForm
from .jobs import JobRunner
from .layer_check import check_layer
from .parts import plain_label, single_shot
from .snapshot import LayerSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from .jobs import Outcome

__all__ = ["CheckedForm"]

_CHECK_MS = 300


class CheckedForm(ImageForm):
    """Form that says below Run in what the image is unlike those of the training.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered and that gets the result.
    check_image
        Returns warnings about an image. Default:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, check_image: Callable[..., list[str]] | None = None
    ) -> None:
        self._check_image = check_image
        super().__init__(viewer)
        self._check = plain_label("checked", visible=False)
        self._messages.put_first(self._check.native)
        self._checks: JobRunner[list[str]] = JobRunner(self.native)
        self._check_soon = single_shot(self.native, _CHECK_MS, self._start_check)
        for part in (self._image, self._model, self._axes, self._channel, self._resample):
            part.changed.connect(self._on_check_input)
        self.pixel_size.changed.connect(self._on_check_input)
        self._viewer.dims.events.current_step.connect(self._on_check_input)

    @property
    def checked(self) -> Any:
        """Sentence on what the image is unlike: a label with a ``value``, empty if nothing is."""
        return self._check

    def _on_check_input(self, *_: Any) -> None:
        self._check_soon.start()

    def _start_check(self) -> None:
        self._check_soon.stop()
        layer, card = self._image.value, self._model.card()
        if layer is None or card is None or card.inference.task != self._task:
            self._checks.forget()
            self._show_check([])
            return
        image, letters, plane = self._seen(layer)
        channels, size = self._chosen_channels(), self._known_pixel_size()
        resampled, check_image = self._resample.value, self._check_image
        taken = self._checked_planes()
        self._checks.start(
            lambda progress: check_layer(
                image, card, letters, channels, plane, size, resampled, check_image, taken
            ),
            self._on_check,
        )

    def _checked_planes(self) -> tuple[int, ...] | None:
        """Return the planes along Z that the model takes together; None for that in view."""
        return None

    def _seen(self, layer: Any) -> tuple[LayerSnapshot, str, tuple[int, ...]]:
        """Return a layer as a job reads it: its snapshot, axes, and the plane in view."""
        letters = layers.fitting_axes(layer, self._axes.value)
        plane = layers.plane_in_view(self._viewer, layer, letters) if letters else ()
        return LayerSnapshot.of(layer), letters, plane

    def _on_check(self, outcome: Outcome[list[str]]) -> None:
        if not outcome.stopped:
            self._show_check(outcome.value or [])

    def _show_check(self, sentences: list[str]) -> None:
        can_resample = self._resample.native.isVisibleTo(self.native)
        hint = "Resample it, or run anyway." if can_resample else "You can run it anyway."
        self._check.value = f"⚠ {' '.join(sentences)} {hint}" if sentences else ""
        self._check.visible = bool(sentences)
        self._run_text = "Run anyway" if sentences else "Run"
        if not self._runs.busy:
            self._run_button.text = self._run_text
