"""Scene of cells that touch: flows part them at every threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .scene import settle
from .segment import SegmentScene, found_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.phantoms.simulate import Phantom

__all__ = ["TouchingScene", "kept_sentence"]

_SIDE, _COUNT, _SEED = 320, 34, 2
_TOUCHING = 0.8  # share of the cells that are put beside another one
_HIGH = 0.9  # a threshold above the models' own
_OPACITY = 0.45


class TouchingScene(SegmentScene):
    """Scene that parts touching cells, and shows that they only shrink as the threshold rises.

    Parameters
    ----------
    viewer
        A napari viewer without layers.
    model
        Source of the model.
    side
        Of the simulated field in pixels. Default: 320.
    """

    def __init__(self, viewer: Any, model: str, side: int = _SIDE) -> None:
        super().__init__(viewer, "touching", model)
        self.phantom = self._simulate(side)

    @staticmethod
    def _simulate(side: int) -> Phantom:
        from napari_cytosynth.phantoms.simulate import phase_contrast_cells

        count = round(_COUNT * (side / _SIDE) ** 2)
        return phase_contrast_cells((side, side), count, _SEED, touching=_TOUCHING)

    def show(self) -> None:
        """Segment the phantom, and show every cell in a colour of its own."""
        phantom = self.phantom
        self.add_image(phantom.image, (phantom.pixel_size_um,) * 2, "simulated cells that touch")
        self.run_model()
        self.labels.opacity = _OPACITY

    def raise_threshold(self) -> Any:
        """Raise the threshold; keep the objects of before as outlines, and return their layer."""
        from napari.utils.colormaps import DirectLabelColormap

        live, layers = self.labels, self._viewer.layers
        before = self._viewer.add_labels(
            live.data.copy(),
            name=f"the same at {self.widget.threshold.value:.2g}",
            scale=live.scale,
            units=live.units,
            colormap=DirectLabelColormap(color_dict={None: "yellow", 0: "transparent"}),
        )
        before.contour = 1
        layers.move(layers.index(before), layers.index(live))  # below what follows the threshold
        layers.selection.active = live
        self.widget.threshold.value = _HIGH
        settle(self.widget)
        return before

    def record(self, folder: Path) -> list[Path]:
        """Run everything; write screenshots, images and the table of objects."""
        self.show()
        phantom, own = self.phantom, self.widget.threshold.value
        found = found_sentence(phantom.labels, self.labels.data, "cells")
        caption = f"Threshold {own:.2g}: {found}"
        written = [self.picture(folder / "touching.png", caption)]
        size = (phantom.pixel_size_um,) * 2
        written += self.save(folder, phantom.image, phantom.labels, size)
        before = self.raise_threshold()
        caption = (
            f"Filled: at {_HIGH:.2g}. Yellow: at {own:.2g}. "
            f"{kept_sentence(before.data, self.labels.data)}"
        )
        written.append(self.picture(folder / "touching-high-threshold.png", caption))
        return written


def kept_sentence(before: Any, after: Any) -> str:
    """Return how many objects are left at another threshold, and how many joined or split."""
    pairs = np.unique(np.stack([np.ravel(before), np.ravel(after)]), axis=1)
    old, new = pairs[:, (pairs > 0).all(axis=0)]
    total, left = np.count_nonzero(np.unique(before)), np.count_nonzero(np.unique(after))
    split = np.count_nonzero(np.bincount(old) > 1)
    joined = np.count_nonzero(np.bincount(new) > 1)
    return f"{left} of {total} left, {joined or 'none'} joined, {split or 'none'} split"
