"""Form of the Stain widget: stains, number of samples, and a check of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, FloatSpinBox, PushButton, Select, SpinBox
from qtpy.QtWidgets import QAbstractItemView, QHBoxLayout, QListView, QSizePolicy, QWidget

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.checked_form import CheckedForm
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.region_rows import RegionRows

from .focal_planes import FocalPlanesRow, find_focal_planes, stack_depth, without_z
from .remarks import CardRemarks

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.zoo.card import StainUncertainty

__all__ = ["StainForm"]

_MAX_SAMPLES = 256
_SAMPLES = 16
_MOST_VIEWS = 8
_ROW_PX, _MAX_ROWS, _PER_ROW = 26, 3, 3


class StainForm(CheckedForm):
    """Form for the options of virtual staining, with a check of the image against the model.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered and that gets the result.
    check_image
        Returns warnings about an image. Default:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.
    """

    _task = "stain"

    def __init__(
        self, viewer: napari.viewer.Viewer, check_image: Callable[..., list[str]] | None = None
    ) -> None:
        super().__init__(viewer, check_image)
        self._focus: JobRunner[tuple[int, ...] | None] = JobRunner(self.native)
        self._layout_stains()
        self._layout_run()
        self._enough_button.changed.connect(self.enough)
        self._channel.changed.connect(self._offer_focal_planes)
        self._focal.changed.connect(self._on_focal_planes)

    def _make_choices(self) -> list[Any]:
        rows = super()._make_choices()
        self._stains = Select(
            name="stains",
            choices=self._stain_choices,
            tooltip="The stains to predict. Click to switch one on or off.",
            visible=False,
        )
        self._views = SpinBox(
            name="views",
            value=1,
            min=1,
            max=_MOST_VIEWS,
            tooltip="Of how many flips and rotations of the image the stain is the mean: a little "
            "better with each, and each takes as long as one. Up to 8.",
        )
        self._samples = SpinBox(
            name="samples",
            value=_SAMPLES,
            max=_MAX_SAMPLES,
            tooltip="Predictions with parts of the network switched off at random. Older models "
            "take their uncertainty from how these differ: 16 is good, more is smoother, 0 is one "
            "prediction without any. Newer ones know their typical errors, and need none.",
        )
        self._suggested: tuple[str | None, StainUncertainty | None] = (None, None)
        self._enough_button = PushButton(
            name="enough_button",
            text="Enough: keep what is there",
            tooltip="Stop drawing samples and keep the mean and uncertainty of those drawn.",
            visible=False,
        )
        self._focal = FocalPlanesRow()
        at = rows.index(self._planes)
        own = [self._stains, self._views, self._samples, self._focal]
        return [*rows[:at], *own, *rows[at:], self._enough_button]

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
        self._inside = RegionRows(self._viewer)
        self.region, self.at_border = self._inside.rows()
        return [*self._inside.rows(), *own, *super()._advanced_rows()]

    def _layout_stains(self) -> None:
        view = self._stains.native
        view.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        view.setFlow(QListView.Flow.LeftToRight)
        view.setWrapping(True)
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setSpacing(2)
        view.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _layout_run(self) -> None:
        """Put what ends a run beside Run, and the model's limits below its summary."""
        layout, run = self.native.layout(), self._run_button.native
        row = QWidget()
        buttons = QHBoxLayout(row)
        buttons.setContentsMargins(0, 0, 0, 0)
        layout.insertWidget(layout.indexOf(run), row)
        for button in (run, self._enough_button.native):
            buttons.addWidget(button)
        self.remarks = CardRemarks()
        about = self._about.native.parentWidget()
        layout.insertWidget(layout.indexOf(about) + 1, self.remarks)

    # -- stains ---------------------------------------------------------------------------

    def _stain_choices(self, _: Any = None) -> list[str]:
        card = self._model.card()
        return [] if card is None else list(card.inference.output_channels)

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        self.remarks.show_card(self._model.card())
        self._suggest_passes()
        before, chosen = list(self._stains.choices), list(self._stains.value)
        self._stains.reset_choices()
        now = list(self._stains.choices)
        if now != before or not chosen:
            self._stains.value = now
        rows = min(-(-len(now) // _PER_ROW), _MAX_ROWS)
        self._stains.native.setFixedHeight(_ROW_PX * rows + 8)
        self._stains.visible = len(now) > 1

    def _suggest_passes(self) -> None:
        """Set views and samples as the card of a chosen model says; as usual after such a model."""
        card = self._model.card()
        known = card.inference.uncertainty if card else None
        before, self._suggested = self._suggested, (card.name if card else None, known)
        if self._suggested == before:
            return  # the same model, seen again after its run: the user's numbers stay
        if known is not None:
            self._views.value, self._samples.value = known.views, known.samples
        elif before[1] is not None:
            self._views.value, self._samples.value = 1, _SAMPLES

    def _chosen_stains(self) -> tuple[str, ...] | None:
        """Return the stains to predict; None for all of the model."""
        chosen, known = list(self._stains.value), list(self._stains.choices)
        if known and not chosen:
            raise InputError("Choose at least one stain: click its name in the list.")
        return None if chosen == known else tuple(chosen)

    # -- focal planes -----------------------------------------------------------------------

    def _channels(self) -> int:
        card = self._model.card()
        return card.inference.channels_of_a_plane if card and self._depth() else super()._channels()

    def _depth(self) -> int:
        """Return the length of Z if the model takes its focal planes from it; else 0."""
        layer = self._image.value
        axes = "" if layer is None else layers.fitting_axes(layer, self._axes.value)
        return stack_depth(layer, self._model.card(), axes, None)

    def _on_axes(self, *_: Any) -> None:
        super()._on_axes()
        if hasattr(self, "_focus"):
            self._offer_focal_planes()

    def _offer_focal_planes(self, *_: Any) -> None:
        """Show the row where it matters, and look for the planes that would be taken."""
        layer, card, depth = self._image.value, self._model.card(), self._depth()
        self._focal.offer(card.inference.focal_plane_names if card and depth else (), depth)
        self._focus.forget()
        if layer is None or card is None or not depth:
            return
        image, axes, plane = self._seen(layer)
        channels, index = self._chosen_channels(), without_z(plane, axes)
        if not index:  # with Z alone there is one result, whatever the plane in view
            self._planes.visible = False
        self._focus.start(
            lambda progress: find_focal_planes(image, card, axes, channels, index, progress),
            self._on_focus,
        )

    def _on_focus(self, outcome: Outcome[tuple[int, ...] | None]) -> None:
        if not outcome.stopped:
            self._focal.show_found(outcome.value, outcome.error or "")
            self._on_check_input()

    def _on_focal_planes(self, *_: Any) -> None:
        self._on_check_input()

    def _start_check(self) -> None:
        if self._depth() and self._focal.known is None:
            self._check_soon.stop()
            self._checks.forget()
            self._show_check([])  # it is not known yet which planes to check
        else:
            super()._start_check()

    def _checked_planes(self) -> tuple[int, ...] | None:
        return self._focal.known if self._depth() else None

    def _common_request(self) -> dict[str, Any]:
        request = super()._common_request()
        if self._depth():
            for name in ("planes", "visible"):
                index = request[name] and without_z(request[name], request["axes"])
                request[name] = index or (None if name == "planes" else ())
        request["focal_planes"] = self._focal.chosen if self._depth() else None
        across = "Z" if self._depth() else ""
        region, at_border = self._inside.chosen(request["image"], str(request["axes"]), across)
        return request | {"region": region, "at_border": at_border}

    # -- enough -------------------------------------------------------------------------------

    def enough(self, *_: Any) -> None:
        """Stop drawing samples and keep those that were drawn."""
        raise NotImplementedError

    def _show_running(self, running: bool) -> None:
        super()._show_running(running)
        self._enough_button.visible = running and self._samples.value + self._views.value > 1
        self._enough_button.enabled = True
