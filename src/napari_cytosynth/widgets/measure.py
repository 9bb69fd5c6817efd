"""The Measure widget: a table of the objects of any labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import (
    align_captions,
    make_scrollable,
    narrow,
    plain_label,
    size_box,
)
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome

__all__ = ["MeasureWidget"]


class MeasureWidget(Container[Any]):
    """Measures shape, size and position of every object of a labels layer.

    The table goes into the layer's ``features``, where napari's own table, its status
    bar and other plugins find it.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._viewer = napari_viewer
        self._objects = ComboBox(
            name="objects",
            choices=lambda _: layers.label_layers(napari_viewer),
            tooltip="The labels to measure.",
        )
        self._intensity = ComboBox(
            name="intensity",
            label="measure in",
            choices=lambda _: layers.image_layers(napari_viewer, results=True),
            nullable=True,
            tooltip="Also measure the brightness of every object in this layer. Of a virtual stain "
            "whose nuclei were found, the objects get their doubt, too.",
        )
        about = "Size of a voxel along this axis."
        self._sizes = tuple(
            size_box(f"{axis}_size", f"{axis} size, µm", about) for axis in ("z", "y", "x")
        )
        for box in (self._objects, self._intensity):
            narrow(box)
        self._button = PushButton(name="measure_button", text="Measure")
        self._show = PushButton(text="Show table", tooltip="Beside the viewer.")
        self._save = PushButton(text="Save CSV…", tooltip="A file that spreadsheets open.")
        self.status = plain_label("status")
        rows = [self._objects, self._intensity, *self._sizes, self._button]
        super().__init__(widgets=rows, labels=True)
        align_captions(self)
        self._row = Container(widgets=[self._show, self._save], layout="horizontal", labels=False)
        self._row.margins = (0, 0, 0, 0)
        self.native.layout().addWidget(self._row.native)
        self.native.layout().addWidget(self.status.native)
        make_scrollable(self.native)
        self._jobs: JobRunner[Any] = JobRunner(self.native)
        self._button.changed.connect(self.run)
        self._show.changed.connect(self.show_table)
        self._save.changed.connect(lambda *_: self.save_csv())
        self.native_parent_changed.connect(self._on_parent)
        self.reset_choices()

    def run(self, *_: Any) -> None:
        """Measure the chosen layer in the background; pressed again, cancel."""
        if self._jobs.busy:
            self._jobs.cancel()
            return
        layer = self._objects.value
        if layer is None:
            self.status.value = "⚠ There is no labels layer to measure. Segment an image first."
            return
        labels = LayerSnapshot.of(layer)
        intensity = self._intensity.value
        image = None if intensity is None else LayerSnapshot.of(intensity)
        nuclei = layers.objects_layer(self._viewer, intensity)
        fits = nuclei is not None and layers.shape_of(nuclei) == layers.shape_of(layer)
        doubt = LayerSnapshot.of(nuclei) if fits and nuclei is not layer else None
        try:
            size = self._pixel_size(layer)
        except InputError as error:
            self.status.value = f"⚠ {error}"
            return
        self._button.text = "Cancel"
        self.status.value = "Measuring …"
        self._jobs.start(
            lambda progress: _measure(labels, image, size, doubt, progress),
            lambda outcome: self._on_table(layer, outcome),
        )

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return self._jobs.wait(timeout)

    def show_table(self, *_: Any) -> None:
        """Open napari's own table of the chosen layer."""
        if self._objects.value is not None:
            layers.show_table(self._viewer, self._objects.value)

    def save_csv(self, path: str | Path | None = None) -> None:
        """Save the table of the chosen layer; without a path, ask for one."""
        layer = self._objects.value
        if layer is None or not len(layer.features):
            self.status.value = "⚠ There is no table yet: press Measure first."
            return
        if path is None:
            path, _ = QFileDialog.getSaveFileName(
                self.native, "Save table", f"{layer.name}.csv", "CSV (*.csv)"
            )
            if not path:
                return
        try:
            layers.save_table(layer.features, path)
        except OutputError as error:
            self.status.value = f"⚠ {error}"
        else:
            self.status.value = f"Saved {path}"

    def _pixel_size(self, layer: Any) -> tuple[float, ...] | None:
        """Return the sizes that were given, filled up with the layer's; None without any.

        Raises
        ------
        InputError
            If the distance of planes alone is known.
        """
        z, y, x = (float(box.value) for box in self._sizes)
        own = layers.pixel_size_um(layer)
        if not (z or y or x):
            return None
        known = (y or x, x or y) if y or x else own
        if known is None:
            raise InputError("Give the sizes along Y and X, too.")
        return (z, *known) if z else known

    def _on_table(self, layer: Any, outcome: Outcome[Any]) -> None:
        self._button.text = "Measure"
        if outcome.value is None:
            self.status.value = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
            return
        layer.features = outcome.value
        self.status.value = f"Measured {len(outcome.value)} objects of “{layer.name}”." + "".join(
            f" {remark}" for remark in _remarks(outcome.value)
        )

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:
            self._jobs.close()


def _remarks(table: Any) -> list[str]:
    """Return what the user ought to know of a table."""
    remarks = []
    if "volume_px" in table and "volume_um3" not in table:
        remarks.append(
            "The size along Z (or Y and X) is not known: volumes and surfaces are in voxels only."
        )
    if (table["index"] < 0).any():
        remarks.append(
            "Some numbers occur in several planes or time points and have a row in each: under "
            "the pointer napari shows none of these."
        )
    return remarks


def _measure(
    labels: LayerSnapshot,
    image: LayerSnapshot | None,
    size: tuple[float, ...] | None,
    doubt: LayerSnapshot | None,
    progress: Progress,
) -> Any:
    from napari_cytosynth.tasks.measure.table import measure

    progress(0, 0, "Measuring")
    if labels.multiscale:
        raise InputError("A multiscale labels layer cannot be measured. Convert it first.")
    return measure(labels, image, size, doubt=doubt)
