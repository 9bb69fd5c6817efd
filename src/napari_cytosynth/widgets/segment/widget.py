"""The Segment widget: form, threshold slider and table of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import OutputError
from napari_cytosynth.widgets.common import layers as reading
from napari_cytosynth.widgets.common.image_form import ImageForm
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import heading, single_shot, size_box
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .job import (
    SegmentRequest,
    compute,
    count_stack,
    measured,
    relabel,
    relabel_only,
)
from .live import LiveSegmentation
from .object_size import ObjectSizePanel
from .panels import TablePanel, ThresholdPanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome

    from .job import RelabelResult, SegmentRunResult
    from .live import Readout

__all__ = ["SegmentWidget"]

_SETTLE_MS = 250


class SegmentWidget(ImageForm):
    """Segments an image layer and lets the labels follow a threshold.

    A script drives it by value: ``widget.image.value = layer``,
    ``widget.model.value = "em-mitochondria-unet"`` (or a folder, or a Hub id),
    ``widget.run()``, ``widget.wait()``, ``widget.threshold.value = 0.05``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that gets the result.
    segment
        Function that runs the network. Default: :func:`napari_cytosynth.segment`.

    Attributes
    ----------
    image, model, axes, planes, device, pixel_size, resample
        Input of a run: magicgui widgets, each with a ``value``.
    z_size
        Distance of planes along Z in µm; 0: as the layer says, or unknown.
    diameter
        Typical diameter of the objects in px of the image, where the model's own is known; 0
        leaves the image as it is.
    threshold, min_size, fill_holes, split_touching, drop_border, link_planes, intensity
        Options of the labels, and the layer whose intensity is measured.
    status, readout
        The sentences that the user reads.
    """

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, segment: Callable[..., Any] | None = None
    ) -> None:
        self._segment = segment
        self._live: LiveSegmentation | None = None
        super().__init__(napari_viewer)
        self._lay_out()
        self._updates: JobRunner[RelabelResult] = JobRunner(self.native)
        self._trees: JobRunner[Any] = JobRunner(self.native)
        self._counts: JobRunner[list[int]] = JobRunner(self.native)
        self._settle = single_shot(self.native, _SETTLE_MS, self._relabel)
        self._look_ahead = single_shot(self.native, _SETTLE_MS, self._build_tree)
        self._connect()
        self._choose_active_layer()
        self._on_model()
        self._preset_for_model()
        self._on_image()
        self._enable_result(False)

    # -- building -----------------------------------------------------------------

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self._panel = ThresholdPanel()
        self._size = ObjectSizePanel(self._common_request)
        self.diameter = self._size.diameter
        self._table = TablePanel(
            self._image_layers,
            (self.show_table, self.save_csv, self.copy_as_python),
            (
                "Shape, size and position of every object, beside the viewer.",
                "Save the table to a file that spreadsheets open.",
                "Copy a script that makes this result again.",
            ),
        )
        for part in (
            self._size.native, self._bar, self.status.native,
            heading("What counts as an object"), self._panel.native,
            heading("Table of objects"), self._table.native, self._advanced,
        ):  # fmt: skip
            layout.addWidget(part)
        for name, part in self._panel.parts().items():
            object.__setattr__(self, name, part)
        self.readout = self._panel.readout
        self.intensity = self._table.intensity

    def _connect(self) -> None:
        self._model.changed.connect(self._on_other_model)
        self._size.accepted.connect(self.run)
        self._panel.moved.connect(self._on_moved)
        self._panel.settled.connect(self._relabel)
        self.intensity.changed.connect(self._on_intensity)
        self._viewer.dims.events.current_step.connect(self._on_plane)
        self._viewer.layers.events.removed.connect(self._on_removed)

    def _advanced_rows(self) -> list[Any]:
        about = "Distance of the planes along Z, for volumes and surfaces in the table."
        self.z_size = size_box("z_size", "z step, µm", about)
        first, *rest = super()._advanced_rows()
        return [first, self.z_size, *rest]

    def _on_axes(self, *_: Any) -> None:
        super()._on_axes()
        depth = "Z" in str(self._axes.value).upper()
        for part in (self.z_size, getattr(self, "link_planes", None)):
            if part is not None:
                part.visible = depth

    # -- for scripts ----------------------------------------------------------------

    @property
    def segmentation(self) -> Any:
        """The result that the slider works on, or None before the first run."""
        return None if self._live is None else self._live.segmentation

    @property
    def busy(self) -> bool:
        """Whether a run, or relabelling after a change of the threshold, is under way."""
        return any(job.busy for job in self._all_jobs()) or (self._settle.isActive())

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        done = self._runs.wait(timeout)
        if self._settle.isActive():
            self._relabel()
        return done and all(job.wait(timeout) for job in self._all_jobs()[1:])

    def save_csv(self, path: str | Path | None = None) -> None:
        """Save the table; without a path, ask for one."""
        if self._live is None:
            return
        if path is None:
            name = f"{self._live.labels_layer.name}.csv"
            path, _ = QFileDialog.getSaveFileName(self.native, "Save table", name, "CSV (*.csv)")
            if not path:
                return
        try:
            reading.save_table(self._live.labels_layer.features, path)
        except OutputError as error:
            self._show_status(f"⚠ {error}")
        else:
            self._show_status(f"Saved {path}")

    def show_table(self) -> None:
        """Open napari's own table of the labels layer."""
        if self._live is not None:
            reading.show_table(self._viewer, self._live.labels_layer)

    def reset_choices(self, *_: Any) -> None:
        """List layers and models again; napari calls this when layers come and go."""
        super().reset_choices()
        if hasattr(self, "_table"):
            self._table.reset_choices()

    def _on_other_model(self, *_: Any) -> None:
        self._panel.forget_choices()
        if self._live is None:
            self._preset_for_model()

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        if hasattr(self, "_size"):
            self._size.on_card(self._model.card())

    def _on_image(self, *_: Any) -> None:
        super()._on_image()
        if hasattr(self, "_size"):
            self._size.on_image()

    def _image_layers(self, _: Any = None) -> list[Any]:
        return reading.image_layers(self._viewer, stains=True)

    def _preset_for_model(self) -> None:
        card = self._model.card()
        if card is None:
            return
        from napari_cytosynth.tasks.common.defaults import card_options

        own = card_options(card.inference)
        self._panel.preset_untouched(**own)
        self._panel.slider.set_mark(own["threshold"])

    # -- the run ----------------------------------------------------------------------

    def _work(self) -> Callable[[Progress], SegmentRunResult]:
        request, segment = self._request(), self._segment
        return lambda progress: compute(request, progress, segment)

    def _request(self) -> SegmentRequest:
        common = self._common_request() | {"diameter": self._size.chosen()}
        self._preset_for_model()
        options = self._panel.chosen_options()
        layers = (self.intensity.value, reading.uncertainty_layer(self._viewer, self._image.value))
        intensity, uncertainty = (None if one is None else LayerSnapshot.of(one) for one in layers)
        known = self._known_pixel_size()
        if self.z_size.value and known and "Z" in (common["axes"] or ""):
            common["pixel_size"] = (self.z_size.value, *known)
        return SegmentRequest(intensity=intensity, uncertainty=uncertainty, **common, **options)

    def _intensity_snapshot(self) -> LayerSnapshot | None:
        layer = self.intensity.value
        return None if layer is None else LayerSnapshot.of(layer)

    def _accept(self, value: SegmentRunResult) -> None:
        self._forget_result()
        live = self._live = LiveSegmentation(self._viewer, value)
        used = live.segmentation.options
        self._panel.preset(threshold=used.threshold)
        # what the model's card gave; not what the user set during the run
        self._panel.preset_untouched(min_size=used.min_size, split_touching=used.split_touching)
        self._panel.slider.set_mark(live.own_threshold)
        self._panel.slider.set_counts(live.counts)
        self._enable_result(True)
        self._show_readout(live.readout())
        self._size.on_result(live.labels_in_view())

    def _provenance(self) -> dict[str, Any] | None:
        return None if self._live is None else dict(self._live.segmentation.provenance)

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (self._runs, self._updates, self._trees, self._counts, self._size.jobs)

    # -- the threshold ------------------------------------------------------------------

    def _on_moved(self) -> None:
        if self._live is None:
            return
        self._updates.forget()
        readout = self._live.show(self._panel.label_options())
        self._show_readout(readout)
        if self._live.needs_tree() is not None:
            self._build_tree()
        if readout.linked and (readout.stack is None or readout.stack_threshold is not None):
            self._count()
        self._settle.start()

    def _relabel(self) -> None:
        self._settle.stop()
        live = self._live
        if live is None:
            return
        segmentation, options = live.segmentation, self._panel.label_options()
        intensity = self._intensity_snapshot()

        def work(progress: Progress) -> RelabelResult:
            return relabel(segmentation, options, intensity, progress, live.uncertainty)

        if "Z" in segmentation.axes and options.link_planes:
            # volumes take longer than labels, which are shown before
            self._updates.start(
                lambda progress: relabel_only(segmentation, options, progress),
                lambda outcome: self._on_labels(outcome, intensity),
            )
        else:
            self._updates.start(work, self._on_update)

    def _on_labels(self, outcome: Outcome[RelabelResult], intensity: LayerSnapshot | None) -> None:
        """Show the labels of a stack, then measure them."""
        self._on_update(outcome)
        live, update = self._live, outcome.value
        if live is None or update is None or outcome.stopped:
            return

        def done(table: Outcome[RelabelResult]) -> None:
            if table.value is not None and live is self._live:
                live.apply_table(table.value)
                self._show_messages(table.value)
            elif table.error and not table.stopped:
                self._show_status(f"⚠ {table.error}")

        self._updates.start(
            lambda progress: measured(update, intensity, progress, live.uncertainty), done
        )

    def _on_update(self, outcome: Outcome[RelabelResult]) -> None:
        if self._live is None or outcome.stopped:
            return
        if outcome.value is None:
            self._show_status(f"⚠ {outcome.error}")
        else:
            self._show_readout(self._live.apply(outcome.value))
            if self._live.needs_tree() is not None:  # splitting was switched on or off
                self._look_ahead.start()
            self._show_messages(outcome.value)

    def _show_messages(self, update: RelabelResult) -> None:
        if update.messages:
            self._show_status(" ".join(update.messages))

    def _build_tree(self) -> None:
        live = self._live
        plane = None if live is None else live.needs_tree()
        if live is None or plane is None or self._trees.busy:
            return
        segmentation = live.segmentation

        def done(outcome: Outcome[Any]) -> None:
            if outcome.value is not None and live is self._live:
                live.add_tree(plane, outcome.value)
                if self._settle.isActive():
                    self._show_readout(live.show(self._panel.label_options()))

        self._trees.start(lambda progress: segmentation.tree(plane), done)

    def _count(self) -> None:
        """Count the objects of the stack in the background; if the threshold moves on, again."""
        live, options = self._live, self._panel.label_options()
        if live is None or self._counts.busy:
            return
        segmentation = live.segmentation

        def done(outcome: Outcome[list[int]]) -> None:
            if outcome.value is None or live is not self._live:
                return
            live.linked_counts.add(options, outcome.value)
            if self._settle.isActive():
                current = self._panel.label_options()
                self._show_readout(live.show(current))
                if current != options:
                    self._count()

        self._counts.start(lambda progress: count_stack(segmentation, options, progress), done)

    def _on_intensity(self, *_: Any) -> None:
        if self._live is not None:
            self._settle.start()

    def _show_readout(self, readout: Readout) -> None:
        if self._live is not None:
            self.readout.value = readout.sentence(*self._live.pixel_area())

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_plane(self, *_: Any) -> None:
        if self._live is not None:
            self._look_ahead.start()
            if self._live.segmentation.links_planes and not self._settle.isActive():
                self._show_readout(self._live.readout())

    def _on_removed(self, *_: Any) -> None:
        if self._live is not None and not self._live.alive:
            self._forget_result()

    def _forget_result(self) -> None:
        for timer in (self._settle, self._look_ahead):
            timer.stop()
        for jobs in (self._updates, self._trees, self._counts):
            jobs.forget()
        self._live = None
        self._panel.slider.set_counts(None)
        self.readout.value = ""
        self._enable_result(False)

    def _enable_result(self, enabled: bool) -> None:
        for button in self._table.buttons:
            button.enabled = enabled
        self._panel.slider.histogram.setEnabled(enabled)
