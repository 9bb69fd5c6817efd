"""Clicks and strokes of the mouse on a labels layer, as points of its plane in view."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HandGestures"]

Point = tuple[float, float]

_STROKES = ("cut", "paint")
"""Tools that draw; the others click."""
_STILL = 4  # px of the screen that a click may move


class HandGestures:
    """Follows the mouse while a tool is chosen, and the keys A and R.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_points
        Called with the tool and the points (y, x) of a finished gesture.
    """

    def __init__(self, viewer: Any, on_points: Callable[[str, list[Point]], Any]) -> None:
        self._viewer = viewer
        self._on_points = on_points
        self._layer: Any = None
        self._first: Point | None = None
        self.tool = ""

    def choose(self, tool: str, layer: Any) -> None:
        """Take a tool in hand ("" puts it away), for a labels layer of the viewer."""
        self.put_away()
        if not tool or layer not in self._viewer.layers:
            return
        self.tool, self._layer = tool, layer
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        self._viewer.mouse_drag_callbacks.append(self._on_press)

    def put_away(self) -> None:
        """Leave the mouse to napari."""
        self._show([])
        self.tool, self._layer, self._first = "", None, None
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def point_under_cursor(self) -> Point | None:
        """Return the point (y, x) of the layer under the cursor."""
        return None if self._layer is None else self._point(self._viewer.cursor.position)

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or self._layer is None or not self._flat():
            return
        if self.tool in _STROKES:
            yield from self._stroke(event)
        else:
            yield from self._click(event)

    def _flat(self) -> bool:
        """Return whether the view shows the last two axes, in their order."""
        dims = self._viewer.dims
        return dims.ndisplay == 2 and tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)

    def _stroke(self, event: Any) -> Iterator[None]:
        camera = self._viewer.camera
        panned, camera.mouse_pan = camera.mouse_pan, False
        points = [self._point(event.position)]
        try:
            yield
            while event.type == "mouse_move":
                points.append(self._point(event.position))
                self._show(points)
                yield
        finally:
            camera.mouse_pan = panned
            self._show([])
        if len(points) > 1:
            self._on_points(self.tool, points)

    def _click(self, event: Any) -> Iterator[None]:
        pressed, begun = np.asarray(event.pos, float), self._point(event.position)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - pressed).max() > _STILL:
                return  # the view is moved
            yield
        self._take(begun)

    def _take(self, point: Point) -> None:
        """Finish a click; merging needs two."""
        if self.tool == "merge" and self._first is None:
            self._first = point
            self._show([point, point])
            return
        points = [point] if self._first is None else [self._first, point]
        self._first = None
        self._show([])
        self._on_points(self.tool, points)

    def _point(self, position: Any) -> Point:
        y, x = self._layer.world_to_data(position)[-2:]
        return float(y), float(x)

    def _show(self, points: list[Point]) -> None:
        """Draw the stroke as napari draws the outline of a polygon, where it has that."""
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # of another napari
            layer = getattr(self._layer, "__wrapped__", self._layer)
            layer._overlays["polygon"].points = [list(point) for point in points]
