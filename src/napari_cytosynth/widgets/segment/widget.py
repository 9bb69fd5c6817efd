"""The Segment widget: form, threshold slider and table of objects."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.common.defaults import fitting_diameter
from napari_cytosynth.widgets.common import layers as reading
from napari_cytosynth.widgets.common.in_view import FieldLayers
from napari_cytosynth.widgets.common.parts import heading, make_scrollable, size_box
from napari_cytosynth.widgets.common.region_rows import RegionRows
from napari_cytosynth.widgets.common.result_settings import ResultSettings
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot
from napari_cytosynth.zoo.loading import KeptModel

from .correct.keeping import KeepingForm
from .correct.panel import CorrectPanel
from .default_model import ASK, DefaultModel
from .job import SegmentRequest, StainSnapshots, compute
from .live import LiveSegmentation
from .object_size import ObjectSizePanel
from .panels import ALL_IMAGES, TableFields, ThresholdPanel
from .result_layers import ResultRegister

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.widgets.common.jobs import JobRunner, Tick

    from .job import SegmentRunResult

__all__ = ["SegmentWidget"]

_LONGEST_LOOK = 5.0  # s, where Run is pressed before a model was found
_GIVEN = ("threshold", "min_size", "split_touching", "min_confidence")
"""Options that a run takes from the model's card, where the user has set none."""
_BESIDE_A_STAIN = (reading.uncertainty_layer, reading.objects_layer)
_Z_ALONE = "The z step needs the pixel size, which is unknown: enter it too, or 0 as the z step."
_KEPT = "The labels that you edited are kept; the new ones are in a layer of their own."
_TAKE_OVER = "“Load corrections…” takes over what you corrected."


class SegmentWidget(KeepingForm):
    """Segments an image layer and lets the labels follow a threshold.

    A script drives it by value: ``widget.image.value = layer``,
    ``widget.model.value = "em-mitochondria-unet"`` (or a folder, or a Hub id),
    ``widget.run()``, ``widget.wait()``, ``widget.threshold.value = 0.05``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that gets the result.
    segment
        Function that runs the network. Default: :func:`napari_cytosynth.segment`, with a model
        that is kept from one run to the next.
    check_image
        Function that checks an image against a model's card before the run. Default:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.

    Attributes
    ----------
    image, model, axes, planes, device, pixel_size, resample
        Input of a run: magicgui widgets, each with a ``value``.
    z_size
        Distance of planes along Z in µm; 0: as the layer says, or unknown.
    diameter
        Typical diameter of the objects in px of the image, where the model's own is known; 0
        leaves the image as it is.
    region, at_border
        The Shapes layer inside of which objects count, and what becomes of cut ones.
    threshold, min_size, fill_holes, split_touching, drop_border, link_planes, min_confidence
        Options of the labels.
    intensity
        The layer whose intensity is measured, or "all images".
    status, readout
        The sentences that the user reads.
    """

    _begins_without_model = True

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        segment: Callable[..., Any] | None = None,
        check_image: Callable[..., list[str]] | None = None,
    ) -> None:
        self._segment = segment
        self._kept = KeptModel()
        self._results = ResultRegister()
        self._field = FieldLayers(napari_viewer)
        super().__init__(napari_viewer, check_image)
        self._lay_out()
        self._begin_following()
        self._begin_correcting()
        self._default = DefaultModel(self._model, self._show_ask)
        self._connect()
        self._choose_active_layer()
        self._on_model()
        self._preset_for_model()
        self._on_image()
        self._on_check_input()
        self._enable_result(False)

    # -- building -----------------------------------------------------------------

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self._panel = ThresholdPanel()
        self._hand = CorrectPanel()
        self._size = ObjectSizePanel(self._common_request)
        self.diameter = self._size.diameter
        self._table = TableFields(
            self._image_layers,
            (self.show_table, self.save_csv, self.copy_as_python),
            (
                "The table of the objects below the viewer, with filters, colours and plots.",
                "Save the table to a file that spreadsheets open.",
                "Copy a script that makes this result again.",
            ),
        )
        self._for_files = ResultSettings(
            self._viewer, "Segment", self._provenance, self._show_status
        )
        for part in (
            self._size.native, self._messages,
            heading("What counts as an object"), self._panel.native,
            self._hand.fold,
            heading("Table of objects"), self._table.native, self._for_files.native,
            self._advanced,
        ):  # fmt: skip
            layout.addWidget(part)
        for name, part in self._panel.parts().items():
            object.__setattr__(self, name, part)
        self.readout = self._panel.readout
        self.intensity = self._table.intensity
        make_scrollable(self.native)

    def _connect(self) -> None:
        self._model.changed.connect(self._on_other_model)
        self._size.accepted.connect(self.run)
        self._source.native.returnPressed.connect(self._default.on_hand)
        self._browse.changed.connect(self._default.on_hand)
        self.intensity.changed.connect(self._on_intensity)
        self._viewer.layers.events.removed.connect(self._on_removed)

    def _advanced_rows(self) -> list[Any]:
        about = "Distance of the planes along Z, for volumes and surfaces in the table."
        self.z_size = size_box("z_size", "z step, µm", about)
        first, *rest = super()._advanced_rows()
        self._inside = RegionRows(self._viewer)
        self.region, self.at_border = self._inside.rows()
        return [*self._inside.rows(), first, self.z_size, *rest]

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
        done = self._default.jobs.wait(timeout) and self._runs.wait(timeout)
        if self._settle.isActive():
            self._relabel()
        if self._check_soon.isActive():
            self._start_check()
        return all([done, *(jobs.wait(timeout) for jobs in self._all_jobs()[1:])])

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

    def save_settings(self, path: str | Path | None = None) -> None:
        """Save what made the result, for ``cytosynth run``; without a path, ask for one."""
        self._for_files.save(path)

    def apply_to_files(self) -> Any:
        """Hand what made the result to the Batch widget, and return that."""
        return self._for_files.apply()

    def show_table(self) -> None:
        """Open the table of the labels layer, with filters, colours and plots."""
        if self._live is not None:
            reading.show_table(self._viewer, self._live.labels_layer)

    def reset_choices(self, *_: Any) -> None:
        """List layers and models again; napari calls this when layers come and go."""
        super().reset_choices()
        if hasattr(self, "_table"):
            self._table.reset_choices()
            self._inside.region.reset_choices()

    def _on_other_model(self, *_: Any) -> None:
        self._panel.forget_choices()
        if self._live is None:
            self._preset_for_model()

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        if hasattr(self, "_size"):
            self._size.on_card(self._model.card())

    def _image_layers(self, _: Any = None) -> list[Any]:
        return reading.image_layers(self._viewer, stains=True)

    def _on_image(self, *_: Any) -> None:
        super()._on_image()
        self.z_size.value = 0.0  # as the pixel size: that of another image is not this one's
        if hasattr(self, "_size"):
            self._size.on_image()
        if hasattr(self, "_default") and self._image.value is not None:
            image, axes, plane = self._seen(self._image.value)
            self._default.look((image, axes, self._chosen_channels(), plane))

    def _show_ask(self, sentence: str) -> None:
        """Ask for a model, or take the question back; another sentence stays."""
        if sentence or self.status.value == ASK:
            self._show_status(sentence)

    def _preset_for_model(self) -> None:
        card = self._model.card()
        if card is None:
            return
        from napari_cytosynth.tasks.common.defaults import card_options

        own = card_options(card.inference)
        self._panel.preset_untouched(**own)
        self._panel.slider.set_mark(own["threshold"])
        self._panel.explain_splitting(by_flows=card.inference.flows is not None)

    # -- the run ----------------------------------------------------------------------

    def run(self) -> None:
        """Run the model in the background; `wait` waits for the result."""
        if self._default.jobs.busy and self._default.open:
            self._default.jobs.wait(_LONGEST_LOOK)
        super().run()

    def _work(self) -> Callable[[Progress], SegmentRunResult]:
        request, segment, kept = self._request(), self._segment, self._kept
        self._begun_options = self._panel.label_options()
        self._begun_with = weakref.ref(self._image.value)
        self._begun_model = self._model.value
        field = self._field.begin(self._image.value, request.axes)
        return lambda progress: compute(request, progress, segment, kept, field)

    def _on_tick(self, tick: Tick) -> None:
        super()._on_tick(tick)
        self._field.update()

    def _reject(self) -> None:
        self._field.end()

    def _request(self) -> SegmentRequest:
        common = self._common_request() | {"diameter": self._size.chosen()}
        self._preset_for_model()
        options = self._panel.chosen_options()
        found = (find(self._viewer, self._image.value) for find in _BESIDE_A_STAIN)
        stain = StainSnapshots(*(None if one is None else LayerSnapshot.of(one) for one in found))
        known = self._known_pixel_size()
        if self.z_size.value and "Z" in (common["axes"] or ""):
            if known is None:
                raise InputError(_Z_ALONE)
            common["pixel_size"] = (self.z_size.value, *known)
        common["region"], common["at_border"] = self._inside.chosen(
            common["image"], str(common["axes"])
        )
        intensity = self._intensity_snapshot()
        return SegmentRequest(intensity=intensity, stain=stain, **common, **options)

    def _intensity_snapshot(self) -> tuple[LayerSnapshot, ...]:
        chosen = self.intensity.value
        every = chosen == ALL_IMAGES
        layers = self._image_layers() if every else [] if chosen is None else [chosen]
        return tuple(LayerSnapshot.of(layer) for layer in layers)

    def _accept(self, value: SegmentRunResult) -> None:
        self._field.end()
        self._forget_result()
        same_model = self._begun_model == self._model.value
        if same_model:
            self._default.used()
        layers = self._results.show(self._viewer, self._begun_with(), value)
        if layers.kept_edits:
            value.messages += [_KEPT, *([_TAKE_OVER] if layers.kept_corrections else [])]
        live = self._live = LiveSegmentation(self._viewer, value, layers)
        self._show_corrections()
        changed = self._show_options(live.segmentation.options)
        self._panel.explain_splitting(by_flows=live.segmentation.owned is not None)
        self._panel.confidence.show_confidences(live.confidences())
        self._panel.slider.set_mark(live.own_threshold)
        self._panel.slider.set_counts(live.counts)
        self._enable_result(True)
        self._show_readout(live.readout())
        if same_model and self._begun_with() is self._image.value:
            self._size.on_result(live.labels_in_view(), self._resampled_by())
        self._build_tree()
        if changed:
            self._on_moved()

    def _resampled_by(self) -> float:
        """Return by how much the result's image was resampled for the model."""
        card, found = self._model.card(), self.segmentation
        usual = found.provenance["parameters"].get("diameter")  # where none was chosen
        if usual and card is not None and card.inference.diameter:
            own = card.inference
            return float(fitting_diameter(own.diameter or usual, own.expected, usual) / usual)
        wanted = None if card is None else card.inference.pixel_size_um
        if not found.provenance["parameters"].get("resample") or None in (wanted, found.pixel_size):
            return 1.0
        return math.sqrt(math.prod(found.pixel_size[-2:])) / float(wanted or 1)

    def _show_options(self, used: LabelOptions) -> bool:
        """Show what a run used; return whether the user set something else during it."""
        changed = self._panel.changed_since(self._begun_options)
        given = set(_GIVEN) - changed
        self._panel.preset(**{name: getattr(used, name) for name in given})
        return bool(changed)

    def _provenance(self) -> dict[str, Any] | None:
        return None if self._live is None else dict(self._live.segmentation.provenance)

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (
            self._runs,
            self._saves,  # what is loaded is then labelled
            self._updates,
            self._trees,
            self._counts,
            self._checks,
            self._default.jobs,
            self._size.jobs,
        )

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_removed(self, *_: Any) -> None:
        self._results.prune()
        if self._live is not None and not self._live.alive:
            self._forget_result()
        self._keep_tool()

    def _on_intensity(self, *_: Any) -> None:
        if self._live is not None:
            self._settle.start()

    def _forget_result(self) -> None:
        self._stop_following()
        self._panel.slider.set_counts(None)
        self._panel.confidence.show_confidences(None)
        self.readout.value = ""
        self._enable_result(False)

    def _enable_result(self, enabled: bool) -> None:
        for button in self._table.buttons:
            button.enabled = enabled
        self._for_files.enable(enabled)
        self._panel.slider.histogram.setEnabled(enabled)
