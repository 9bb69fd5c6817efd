"""Form of the Stain widget: stains, number of samples, and a check of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, FloatSpinBox, PushButton, Select, SpinBox
from qtpy.QtWidgets import QAbstractItemView, QListView, QSizePolicy

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.image_form import ImageForm
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import plain_label, single_shot
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.widgets.common.jobs import Outcome

__all__ = ["StainForm"]

_CHECK_MS = 300
_MAX_SAMPLES = 256
_ROW_PX, _MAX_ROWS, _PER_ROW = 26, 3, 3


class StainForm(ImageForm):
    """Form for the options of virtual staining, with a check of the image against the model.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered and that gets the result.
    check_image
        Returns warnings about an image. Default:
        :func:`napari_cytosynth.tasks.stain.domain_check.check_image`.
    """

    _task = "stain"

    def __init__(
        self, viewer: napari.viewer.Viewer, check_image: Callable[..., list[str]] | None = None
    ) -> None:
        self._check_image = check_image
        super().__init__(viewer)
        self._checks: JobRunner[list[str]] = JobRunner(self.native)
        self._check_soon = single_shot(self.native, _CHECK_MS, self._start_check)
        self._layout_stains()
        for part in (self._image, self._model, self._axes, self._channel, self._resample):
            part.changed.connect(self._on_check_input)
        self.pixel_size.changed.connect(self._on_check_input)
        self._viewer.dims.events.current_step.connect(self._on_check_input)
        self._enough_button.changed.connect(self.enough)

    def _make_choices(self) -> list[Any]:
        rows = super()._make_choices()
        self._stains = Select(
            name="stains",
            choices=self._stain_choices,
            tooltip="The stains to predict. Click to switch one on or off.",
            visible=False,
        )
        self._samples = SpinBox(
            name="samples",
            value=16,
            max=_MAX_SAMPLES,
            tooltip="How many predictions are drawn. Where they differ, the model is not sure: "
            "their spread is the uncertainty. 16 is good, more is smoother. "
            "0: one prediction, at once, without any uncertainty.",
        )
        self._check = plain_label("checked", visible=False)
        self._enough_button = PushButton(
            name="enough_button",
            text="Enough: keep what is there",
            tooltip="Stop drawing samples and keep the mean and uncertainty of those drawn.",
            visible=False,
        )
        at = rows.index(self._planes)
        run = rows.pop()
        return [
            *rows[:at], self._stains, self._samples, *rows[at:], self._check, run,
            self._enough_button,
        ]  # fmt: skip

    def _advanced_rows(self) -> list[Any]:
        self.seed = SpinBox(
            name="seed", max=2**31 - 1, tooltip="The same seed draws the same samples again."
        )
        self.tolerance = FloatSpinBox(
            name="tolerance",
            label="stop at, %",
            max=50.0,
            step=1.0,
            tooltip="Stop by itself once the uncertainty is known to this many per cent. "
            "0: draw all samples.",
        )
        self.keep_samples = CheckBox(
            name="keep_samples",
            text="keep every sample",
            tooltip="For scripts: keep each sample in widget.staining.samples. Takes memory.",
        )
        self.inject_dropout = FloatSpinBox(
            name="inject_dropout",
            label="force dropout",
            max=0.9,
            step=0.05,
            tooltip="For models that were not trained to give an uncertainty: switch off this "
            "share of channels at random. Such an uncertainty is not calibrated. 0: do not.",
        )
        own = [self.seed, self.tolerance, self.inject_dropout, self.keep_samples]
        return [*own, *super()._advanced_rows()]

    def _layout_stains(self) -> None:
        view = self._stains.native
        view.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        view.setFlow(QListView.Flow.LeftToRight)
        view.setWrapping(True)
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setSpacing(2)
        view.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    # -- stains ---------------------------------------------------------------------------

    def _stain_choices(self, _: Any = None) -> list[str]:
        card = self._model.card()
        return [] if card is None else list(card.inference.output_channels)

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        before, chosen = list(self._stains.choices), list(self._stains.value)
        self._stains.reset_choices()
        now = list(self._stains.choices)
        if now != before or not chosen:
            self._stains.value = now
        rows = min(-(-len(now) // _PER_ROW), _MAX_ROWS)
        self._stains.native.setFixedHeight(_ROW_PX * rows + 8)
        self._stains.visible = len(now) > 1

    def _chosen_stains(self) -> tuple[str, ...] | None:
        """Return the stains to predict; None for all of the model."""
        chosen, known = list(self._stains.value), list(self._stains.choices)
        if known and not chosen:
            raise InputError("Choose at least one stain: click its name in the list.")
        return None if chosen == known else tuple(chosen)

    # -- the check of the image against the model ---------------------------------------------

    def _on_check_input(self, *_: Any) -> None:
        self._check_soon.start()

    def _start_check(self) -> None:
        from .job import check

        self._check_soon.stop()
        layer, card = self._image.value, self._model.card()
        if layer is None or card is None or card.inference.task != "stain":
            self._show_check([])
            return
        axes, size = self._axes.value, self._known_pixel_size()
        image, channels = LayerSnapshot.of(layer), self._chosen_channels()
        letters = layers.fitting_axes(layer, axes)
        plane = layers.plane_in_view(self._viewer, layer, letters) if letters else ()
        resampled, check_image = self._resample.value, self._check_image
        self._checks.start(
            lambda progress: check(
                image, card, letters, channels, plane, size, resampled, check_image
            ),
            self._on_check,
        )

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

    # -- enough -------------------------------------------------------------------------------

    def enough(self, *_: Any) -> None:
        """Stop drawing samples and keep those that were drawn."""
        raise NotImplementedError

    def _show_running(self, running: bool) -> None:
        super()._show_running(running)
        self._enough_button.visible = running and self._samples.value > 0
        self._enough_button.enabled = True
