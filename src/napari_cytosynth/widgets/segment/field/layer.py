"""The provisional layer of what is in view, while the rest is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cytosynth.widgets.common.canvas import camera_of
from napari_cytosynth.widgets.common.preview_queue import PreviewQueue
from napari_cytosynth.widgets.common.snapshot import GEOMETRY, finest

from .job import FieldRequest

__all__ = ["FieldLayer"]

LARGE = 2048 * 2048  # px of a plane, beyond which what is in view comes first
SIDE = 1024  # px of a field


class FieldLayer:
    """Shows what is in view of a large image until the run over the whole ends.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._queue: PreviewQueue[Any] = PreviewQueue()
        self._about: dict[str, Any] = {}
        self.layer: Any = None

    def begin(self, layer: Any, axes: str | None) -> FieldRequest | None:
        """Return what is in view of a layer; None where the whole comes soon enough."""
        self.end()
        found = _seen(self._viewer, layer, axes)
        if found is None:
            return None
        queue = self._queue = PreviewQueue()
        name = f"{layer.name} – in view (provisional)"
        self._about = {"name": name, **_place(layer, *found)}
        return FieldRequest(*found, lambda labels: queue.put("field", labels))

    def update(self) -> None:
        """Show what has come since."""
        for labels in self._queue.take():
            selected = set(self._viewer.layers.selection)
            self.layer = self._viewer.add_labels(labels, opacity=0.5, **self._about)
            self.layer.editable = False
            self._viewer.layers.selection = selected  # that of the user

    def end(self) -> None:
        """Take the layer away."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None
        self._queue.take()


def _seen(viewer: Any, layer: Any, axes: str | None) -> tuple[slice, slice] | None:
    """Return rows and columns around the middle of the view of a large plane."""
    data = finest(layer)
    plain = data.ndim == 2 or (axes is not None and axes.upper() in ("CYX", "YXC"))
    straight = tuple(viewer.dims.order) == tuple(range(viewer.dims.ndim))
    if not plain or not straight or layer.ndim != 2 or viewer.dims.ndisplay != 2:
        return None
    first = data.ndim - 2 if (axes or "").upper() != "YXC" else 0
    sides = data.shape[first : first + 2]
    if sides[0] * sides[1] <= LARGE:
        return None
    middle = layer.world_to_data(camera_of(viewer).center[-2:])
    parts = []
    for place, size in zip(middle, sides, strict=True):
        side = min(SIDE, size)
        start = int(np.clip(place - side / 2, 0, size - side))
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def _place(layer: Any, rows: slice, columns: slice) -> dict[str, Any]:
    """Return the place of a layer of a field of another: on its pixels."""
    corner = layer.data_to_world((rows.start, columns.start))
    own = {name: getattr(layer, name) for name in GEOMETRY}
    return own | {"translate": layer.affine.inverse(corner)}
