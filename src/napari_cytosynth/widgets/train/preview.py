"""What the network finds now in a window of the painted image: a layer that renews itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import geometry_of, layer_geometry
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.layers import take_out
from napari_cytosynth.widgets.common.snapshot import finest

from .material import most_painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .material import PairCopy

__all__ = ["PreviewLayer", "PreviewWindow", "preview_window"]

_SIDE = 512  # px


@dataclass(frozen=True, eq=False)
class PreviewWindow:
    """A window of an image around what is painted.

    Attributes
    ----------
    pixels
        (Y, X), a copy.
    name
        Name of the image.
    geometry
        Where a layer of the window lies, with axes of length 1 before Y and X.
    """

    pixels: NDArray[Any]
    name: str
    geometry: dict[str, Any]


def preview_window(pairs: Sequence[PairCopy]) -> PreviewWindow | None:
    """Return the window around the most annotation, of pairs that were found to be right.

    None where there are none.
    """
    if not pairs:
        return None
    pair = most_painted(pairs)
    image, place = pair.image, pair.place
    plane = finest(image)[place]
    planes = pair.labels.reshape(-1, *plane.shape)
    painted = np.argwhere(planes[np.argmax(np.count_nonzero(planes, axis=(-2, -1)))])
    corner = [
        int(min(max(middle - _SIDE / 2, 0), max(size - _SIDE, 0)))
        for middle, size in zip(painted.mean(axis=0), plane.shape, strict=True)
    ]
    where = tuple(slice(start, start + _SIDE) for start in corner)
    index = {axis: float(at) for axis, at in enumerate((*place, *corner))}
    geometry = layer_geometry(geometry_of(image), range(image.ndim), index)
    return PreviewWindow(np.array(plane[where]), image.name, geometry)


class PreviewLayer:
    """The layer of a window, as long as a training runs.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None
        self._window: PreviewWindow | None = None
        self._deleted = False

    def begin(self, window: PreviewWindow | None) -> None:
        """Take a window; its layer comes with the first result."""
        if window is self._window:
            return
        self.remove()
        self._window, self._deleted = window, False

    def show(self, probability: NDArray[np.uint8]) -> None:
        """Show a result; a layer that the user has deleted does not come again."""
        window = self._window
        if window is None or self._deleted:
            return
        ndim = len(window.geometry["scale"])
        data = probability.reshape((1,) * (ndim - 2) + probability.shape)
        if self._layer is None:
            active = self._viewer.layers.selection.active
            self._layer = self._viewer.add_image(
                data,
                name=f"found now – {window.name}",
                colormap="magma",
                blending="additive",
                opacity=0.6,
                contrast_limits=(0, 255),
                metadata={KEY: {"role": "preview"}},
                **window.geometry,
            )
            self._viewer.layers.selection.active = active
        elif self._layer in self._viewer.layers:
            self._layer.data = data
        else:
            self._deleted = True

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        take_out(self._viewer, self._layer)
        self._layer = self._window = None
