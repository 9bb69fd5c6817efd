"""Segment scenes of the demonstration: a simulated image, a run, a lower threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import CytosynthError

from .scene import (
    clear_caption,
    dock,
    screenshot,
    settle,
    show_caption,
    show_scale_bar,
    write_images,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cytosynth.phantoms.simulate import Phantom

__all__ = ["PlaneScene", "SegmentScene", "found_sentence", "nuclei_scene", "phase_scene"]

_LOW = 0.05  # a threshold below the models' own


class SegmentScene:
    """What the scenes of the Segment widget share: an image layer, a run, pictures and files.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    name
        Stem of the files, and name of the image layer.
    model
        Source of the model, as `load_model` takes it.
    """

    def __init__(self, viewer: Any, name: str, model: str) -> None:
        self._viewer = viewer
        self.name, self.model = name, model
        self._dock, self.widget = dock(viewer, "Segment")

    def add_image(self, image: Any, voxel_size_um: Sequence[float], name: str = "") -> Any:
        """Show the image in µm and choose it; return its layer."""
        axes = "zyx"[-len(voxel_size_um) :]
        layer = self._viewer.add_image(
            image,
            name=name or f"simulated {self.name}",
            scale=tuple(voxel_size_um),
            units=("um",) * len(axes),
            axis_labels=tuple(axes),
            contrast_limits=tuple(np.percentile(image, (0.1, 99.8))),
        )
        show_scale_bar(self._viewer)
        self.widget.image.value = layer
        self.widget.model.value = str(self.model)
        return layer

    def run_model(self) -> None:
        """Press Run, wait for the result, and hide its probability.

        Raises
        ------
        CytosynthError
            If there is none.
        """
        widget = self.widget
        widget.run()
        settle(widget)
        if widget.segmentation is None:
            raise CytosynthError(f"The demo could not segment “{self.name}”: {widget.status.value}")
        self._viewer.reset_view()
        self.probability.visible = False

    def _layer(self, kind: str) -> Any:
        """Return the newest layer of a kind: "image" or "labels"."""
        return next(layer for layer in reversed(self._viewer.layers) if layer._type_string == kind)

    @property
    def labels(self) -> Any:
        """The labels layer of the run."""
        return self._layer("labels")

    @property
    def probability(self) -> Any:
        """The probability layer of the run."""
        return next(
            layer for layer in self._viewer.layers if layer.name.startswith("probability – ")
        )

    def picture(self, path: Path, caption: str = "") -> Path:
        """Write a picture of the whole window, with a caption in the canvas."""
        if caption:
            show_caption(self._viewer, caption)
        settle(self.widget)
        screenshot(self._viewer, path)
        clear_caption(self._viewer)
        return path

    def save(
        self, folder: Path, image: Any, truth: Any, voxel_size_um: Sequence[float]
    ) -> list[Path]:
        """Write input, truth and result as TIFFs, and the table as CSV."""
        images = {
            "image": image,
            "truth": truth.astype(np.uint16),
            "probability": np.asarray(self.probability.data, np.float32),
            "labels": np.asarray(self.labels.data).astype(np.uint16),
        }
        written = write_images(folder, self.name, images, voxel_size_um)
        table = folder / f"{self.name}-table.csv"
        self.labels.features.to_csv(table, index=False)
        return [*written, table]


def found_sentence(truth: Any, labels: Any, objects: str) -> str:
    """Return how many simulated objects were found: '20 of 30 … found (IoU ≥ 0.5), 1 of 21 …'."""
    from napari_cytosynth.metrics.instance import matching

    match = matching(truth, np.asarray(labels))
    count = match.tp + match.fp
    return (
        f"{match.tp} of {match.tp + match.fn} simulated {objects} found (IoU ≥ 0.5), "
        f"{match.fp} of {count} objects wrong"
    )


class PlaneScene(SegmentScene):
    """Scene that segments a plane, at the model's threshold and at a lower one.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    name, model
        As for :class:`SegmentScene`.
    make
        Function that returns the phantom.
    """

    def __init__(self, viewer: Any, name: str, model: str, make: Callable[[], Phantom]) -> None:
        super().__init__(viewer, name, model)
        self.phantom = make()

    def show(self) -> None:
        """Segment the phantom, and show the outlines on the image."""
        phantom = self.phantom
        self.add_image(phantom.image, (phantom.pixel_size_um,) * 2)
        self.run_model()
        self.labels.contour = 2  # so that the picture shows the cells under their labels

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, images and the table of objects."""
        self.show()
        phantom = self.phantom
        written = [self.picture(folder / f"{self.name}.png")]
        size = (phantom.pixel_size_um,) * 2
        written += self.save(folder, phantom.image, phantom.labels, size)
        self.widget.threshold.value = _LOW
        written.append(self.picture(folder / f"{self.name}-low-threshold.png"))
        return written


def nuclei_scene(viewer: Any, model: str) -> PlaneScene:
    """Return the scene of nuclei in fluorescence."""
    from napari_cytosynth.phantoms.simulate import fluorescent_nuclei

    return PlaneScene(viewer, "nuclei", model, lambda: fluorescent_nuclei(seed=1))


def phase_scene(viewer: Any, model: str) -> PlaneScene:
    """Return the scene of cells in phase contrast."""
    from napari_cytosynth.phantoms.simulate import phase_contrast_cells

    return PlaneScene(viewer, "phase", model, lambda: phase_contrast_cells(seed=1))
