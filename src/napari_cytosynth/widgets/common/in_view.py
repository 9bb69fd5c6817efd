"""What is in view is computed first, and shown in provisional layers until the whole is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import camera_of
from .layers import fitting_axes, plane_in_view, take_out
from .preview_queue import PreviewQueue
from .snapshot import GEOMETRY, finest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FieldLayers", "FieldRequest"]

LARGE = 2048 * 2048  # px of an image, beyond which what is in view comes first
SIDE = 1024  # px of a field

Provisional = tuple[Any, dict[str, Any], str]
"""Data (y, x), arguments besides the place, and kind of a layer."""


@dataclass(frozen=True, eq=False)
class FieldRequest:
    """What is in view when a run begins.

    Attributes
    ----------
    rows, columns
        Of the image, in pixels of its finest level.
    show
        Takes the layers of the field, in the thread of the job.
    plane
        Index of the plane in view, of which all is taken, where there are several; else None.
    """

    rows: slice
    columns: slice
    show: Callable[[list[Provisional]], None]
    plane: tuple[int, ...] | None = None


class FieldLayers:
    """Shows what is in view of a large image until the run over the whole ends.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._queue: PreviewQueue[list[Provisional]] = PreviewQueue()
        self._about: dict[str, Any] = {}
        self._name = ""
        self._new_axes = 0
        self.layers: list[Any] = []

    def begin(self, layer: Any, axes: str | None) -> FieldRequest | None:
        """Return what is in view of a layer; None where the whole comes soon enough."""
        self.end()
        found = _seen(self._viewer, layer, axes)
        if found is None:
            return None
        rows, columns, plane = found
        queue = self._queue = PreviewQueue()
        self._name = f"{layer.name} – in view (provisional)"
        self._about = _place(layer, rows, columns, plane or ())
        self._new_axes = len(plane or ())
        return FieldRequest(rows, columns, lambda layers: queue.put("field", layers), plane)

    def update(self) -> None:
        """Show what has come since."""
        for layers in self._queue.take():
            selected = set(self._viewer.layers.selection)
            for data, about, kind in layers:
                add = getattr(self._viewer, f"add_{kind}")
                name = " · ".join(part for part in (about.get("name"), self._name) if part)
                of_plane = data[(None,) * self._new_axes]
                layer = add(of_plane, **self._about, **{**about, "name": name})
                layer.editable = False
                self.layers.append(layer)
            self._viewer.layers.selection = selected  # that of the user

    def end(self) -> None:
        """Take the layers away."""
        take_out(self._viewer, *self.layers)
        self.layers = []
        self._queue.take()


def _seen(
    viewer: Any, layer: Any, axes: str | None
) -> tuple[slice, slice, tuple[int, ...] | None] | None:
    """Return rows, columns, and the plane, if one of several, that are in view."""
    letters, data = fitting_axes(layer, axes or ""), finest(layer)
    straight = tuple(viewer.dims.order) == tuple(range(viewer.dims.ndim))
    if not straight or viewer.dims.ndisplay != 2 or math.prod(data.shape) <= LARGE:
        return None
    if layer.ndim > 2:
        if len(letters) != layer.ndim or not letters.endswith("YX") or "C" in letters:
            return None
        rows, columns = (slice(0, size) for size in data.shape[-2:])
        return rows, columns, plane_in_view(viewer, layer, letters)
    first = 0 if letters == "YXC" else data.ndim - 2
    sides = data.shape[first : first + 2]
    if sides[0] * sides[1] <= LARGE or not (data.ndim == 2 or letters in ("CYX", "YXC")):
        return None
    middle = layer.world_to_data(camera_of(viewer).center[-2:])
    rows, columns = (_around(p, size) for p, size in zip(middle, sides, strict=True))
    return rows, columns, None


def _around(place: float, size: int) -> slice:
    side = min(SIDE, size)
    start = int(np.clip(place - side / 2, 0, size - side))
    return slice(start, start + side)


def _place(layer: Any, rows: slice, columns: slice, plane: tuple[int, ...]) -> dict[str, Any]:
    """Return the place of a layer of a part of another: on its pixels."""
    corner = layer.data_to_world((*plane, rows.start, columns.start))
    own = {name: getattr(layer, name) for name in GEOMETRY}
    return own | {"translate": layer.affine.inverse(corner)}
