"""Stain scene of the demonstration: simulated phase contrast with known true stains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.common.canvas import grid_of, name_overlay_of
from napari_cytosynth.widgets.samples import stained_layers
from napari_cytosynth.widgets.stain.trust_panel import MODEL_COMPARISON, REAL_COMPARISON

from .scene import dock, screenshot, settle, show_scale_bar, write_images

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.phantoms.simulate import StainedCells

__all__ = ["MODEL", "RIVAL", "StainScene", "can_stain"]

MODEL, RIVAL = "phantom-phase-pix2pixhd", "phantom-phase-unet"
_SEGMENTER = "fluo-nuclei-unet"
_SEED = 7  # no field that the models learned from or were calibrated on
_SAMPLES = 16


def can_stain() -> bool:
    """Return whether the scene's model is bundled."""
    return _bundled(MODEL)


def _bundled(model: str) -> bool:
    from napari_cytosynth.zoo.catalogue import bundled_folder

    return bundled_folder(model) is not None


class StainScene:
    """Scene that stains simulated cells virtually and compares with true stains.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    """

    name = "stain"

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._dock, self.widget = dock(viewer, "Stain")
        self.phantom = self._add_phantom()

    def _add_phantom(self) -> StainedCells:
        """Show phase contrast, the true masks (hidden) and the true stains (hidden)."""
        from napari_cytosynth.phantoms.simulate import stained_cells

        phantom = stained_cells(seed=_SEED)
        for data, attributes, kind in stained_layers(phantom):
            if attributes["name"].endswith("cells"):
                continue
            getattr(self._viewer, f"add_{kind}")(data, **attributes)
        show_scale_bar(self._viewer)
        return phantom

    def _layer(self, ending: str) -> Any:
        return next(layer for layer in self._viewer.layers if layer.name.endswith(ending))

    def _stain(self, name: str) -> Any:
        """Return the layer of a virtual stain."""
        return next(layer for layer in self._viewer.layers if layer.name.startswith(f"{name} · "))

    def run(self) -> None:
        """Stain the phase image with 16 samples.

        Raises
        ------
        CytosynthError
            If that fails.
        """
        widget = self.widget
        widget.image.value = self._layer("phase")
        widget.model.value = MODEL
        widget.samples.value = _SAMPLES
        widget.run()
        settle(widget)
        if widget.staining is None:
            raise CytosynthError(f"The demo could not stain: {widget.status.value}")
        self._viewer.reset_view()

    def compare(self) -> None:
        """Compare the virtual with the true nuclei, pixel by pixel and nucleus by nucleus."""
        widget = self.widget
        widget.compare_with.value = self._layer("true nuclei")
        widget.compare_as.value = "nuclei"
        widget.compare_cells.value = self._layer("masks of nuclei")
        widget.unfold(REAL_COMPARISON)
        settle(widget)

    def compare_models(self) -> None:
        """Compare with another model, if it is bundled, and mark where the two disagree."""
        if _bundled(RIVAL):
            self.widget.unfold(MODEL_COMPARISON)
            self.widget.other_model.value = RIVAL
            self.widget.ask_other()
            settle(self.widget)

    def segment(self) -> None:
        """Segment the nuclei in the virtual stain, if the segmenter is bundled."""
        if not _bundled(_SEGMENTER):
            return
        _, segment = dock(self._viewer, "Segment")
        segment.image.value = self._stain("nuclei")
        segment.model.value = _SEGMENTER
        segment.run()
        settle(segment)
        for layer in self._viewer.layers:
            if layer.name.startswith("probability – "):
                layer.visible = False
            elif layer._type_string == "labels":
                layer.contour = 2

    def present(self) -> None:
        """Show the virtual stains on black, with the outlines of the nuclei in them."""
        self._show("nuclei · ", "membrane · ", segmented=True)
        self._dock.raise_()

    def _show(self, *beginnings: str, segmented: bool = False) -> None:
        """Show only the layers with these beginnings of names, and the nuclei found if asked to."""
        wanted = (*beginnings, *(("nuclei – ",) if segmented else ()))
        for layer in self._viewer.layers:
            layer.visible = layer.name.startswith(wanted)

    def show(self) -> None:
        """Stain, compare and segment; show the virtual stains with the nuclei in them."""
        self.run()
        self.compare()
        self.segment()
        self.present()

    # -- headless ---------------------------------------------------------------------------

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, images, the result and a table of the nuclei."""
        self.run()
        written = [self._side_by_side(folder / "stain.png"), *self._save(folder)]
        self.compare()
        written.append(self._side_by_side(folder / "stain-trust.png"))
        self.compare_models()
        self._show("nuclei · ")
        written += [self._picture(folder / "stain-second-opinion.png"), self._table(folder)]
        self.segment()
        self._show("nuclei · ", segmented=True)
        written.append(self._picture(folder / "stain-segment.png"))
        return written

    def _picture(self, path: Path) -> Path:
        settle(self.widget)
        return screenshot(self._viewer, path)

    def _side_by_side(self, path: Path) -> Path:
        """Write a screenshot of the layers side by side: phase, true stains, virtual ones, σ."""
        viewer, grid = self._viewer, grid_of(self._viewer)
        before = {layer: layer.visible for layer in viewer.layers}
        shown = [layer for layer in viewer.layers if layer._type_string == "image"]
        for layer in shown:
            layer.visible = not layer.name.startswith("membrane σ")
            _show_name(layer, True)
        # two layers to a cell: phase and masks, true stains, virtual stains, uncertainties
        grid.stride, grid.shape, grid.enabled = 2, (2, -1), True
        viewer.reset_view()
        picture = self._picture(path)
        grid.enabled = False
        for layer in shown:
            _show_name(layer, False)
        for layer, visible in before.items():
            layer.visible = visible
        viewer.reset_view()
        return picture

    def _table(self, folder: Path) -> Path:
        path = folder / "stain-table.csv"
        self.widget.save_csv(path)
        return path

    def _save(self, folder: Path) -> list[Path]:
        phantom = self.phantom
        images = {
            "phase": phantom.phase,
            "true-stains": phantom.fluorescence,
            "true-nuclei": phantom.nuclei.astype(np.uint16),
        }
        written = write_images(folder, self.name, images, (phantom.pixel_size_um,) * 2)
        return [*written, *self.widget.staining.save(folder / "stain")]


def _show_name(layer: Any, visible: bool) -> None:
    if (overlay := name_overlay_of(layer)) is not None:
        overlay.visible = visible
