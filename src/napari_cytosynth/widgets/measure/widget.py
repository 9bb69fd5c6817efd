"""The Measure widget: a table of the objects of any labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .form import MeasureForm
from .job import MeasureRequest, measure_layers

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.tasks.link.tracks import Tracks
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .job import MeasureResult

__all__ = ["MeasureWidget"]


class MeasureWidget(MeasureForm):
    """Measures every object of a labels layer: shape, position, intensities, neighbours, tracks.

    The table goes into the layer's ``features``, where the Look widget, napari's status
    bar and other plugins find it; columns of the user stay in it.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(napari_viewer)
        self._jobs: JobRunner[MeasureResult] = JobRunner(self.native)
        self._tracks_layer: Any = None
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
        try:
            request = self._request(layer)
        except InputError as error:
            self.status.value = f"⚠ {error}"
            return
        parents = self.parents.value
        self._button.text = "Cancel"
        self.status.value = "Measuring …"
        self._jobs.start(
            lambda progress: measure_layers(request, progress),
            lambda outcome: self._on_result(layer, parents, outcome),
            self._on_tick,
        )

    def _request(self, layer: Any) -> MeasureRequest:
        if not self._has_axes_of(layer):  # its data have been replaced
            self._on_objects()
        size = self._pixel_size(layer)
        snapshots = {one: LayerSnapshot.of(one) for one in self.intensity.value}
        pair = (self.ratio_of.value, self.ratio_to.value) if len(snapshots) > 1 else (None, None)
        ratio = None if None in pair else (snapshots[pair[0]], snapshots[pair[1]])
        parents = self.parents.value
        axes = str(self._axes.value or "") or None
        copied = LayerSnapshot.of(layer)
        region, at_border = self._inside.chosen(copied, axes or "TZYX"[-layer.ndim :])
        return MeasureRequest(
            labels=copied,
            intensity=list(snapshots.values()),
            axes=axes,
            size=size,
            doubt=self._doubt(layer),
            ratio=ratio,
            neighbours=bool(self.neighbours.value),
            parents=None if parents is None else LayerSnapshot.of(parents),
            link_time=bool(self.link_time.value) and "T" in (axes or ""),
            max_distance=float(self.max_distance.value) or None,
            region=region,
            at_border=at_border,
        )

    def _doubt(self, layer: Any) -> LayerSnapshot | None:
        """Return the nuclei of the first virtual stain among the layers that are measured in."""
        for stain in self.intensity.value:
            nuclei = layers.objects_layer(self._viewer, stain)
            fits = nuclei is not None and layers.shape_of(nuclei) == layers.shape_of(layer)
            if fits:
                return None if nuclei is layer else LayerSnapshot.of(nuclei)
        return None

    def _on_tick(self, tick: Tick) -> None:
        share = f" {100 * tick.done / tick.total:.0f} %" if tick.total else ""
        self.status.value = f"{tick.message} …{share}"

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return self._jobs.wait(timeout)

    def show_table(self, *_: Any) -> None:
        """Open the table of the chosen layer, with filters, colours and plots."""
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

    def _on_result(self, layer: Any, parents: Any, outcome: Outcome[MeasureResult]) -> None:
        self._button.text = "Measure"
        result = outcome.value
        if result is None:
            self.status.value = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
            return
        layer.features = result.table
        said = [f"Measured {len(result.table)} objects of “{layer.name}”."]
        if result.parents is not None:
            parents.features = result.parents
            said.append(f"“{parents.name}” has the number of objects in each.")
        if result.tracks is not None:
            self._show_tracks(result.tracks)
            self._viewer.layers.selection.active = layer  # whose table is looked at
            said.append(f"Linked to {result.tracks.count} tracks.")
        self.status.value = " ".join([*said, *result.messages])

    def _show_tracks(self, tracks: Tracks) -> None:
        layers.take_out(self._viewer, self._tracks_layer)
        chosen = self._objects.value
        self._tracks_layer = tracks.add_to(self._viewer) if len(tracks.table) else None
        self._objects.value = chosen

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:
            self._jobs.close()
