"""Clicks and strokes of the mouse on a labels layer, as points of its plane in view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.canvas import camera_of, follow_click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HandGestures"]

Point = tuple[float, float]

_STROKES = ("cut", "paint")
"""Tools that draw; the others click."""
_NAME = "line of the correction"
_COLOUR = "yellow"


class HandGestures:
    """Follows the mouse while a tool is chosen, and the keys A and R.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_points
        Called with the tool and the points (y, x) of a finished gesture.
    on_first
        Called when the first of two clicks was made.
    """

    def __init__(
        self,
        viewer: Any,
        on_points: Callable[[str, list[Point]], Any],
        on_first: Callable[[], Any],
    ) -> None:
        self._viewer = viewer
        self._on_points, self._on_first = on_points, on_first
        self._layer: Any = None
        self._first: Point | None = None
        self._drawn: Any = None
        self.tool = ""

    def choose(self, tool: str, layer: Any) -> None:
        """Take a tool in hand ("" puts it away), for a labels layer of the viewer."""
        self.put_away()
        if not tool or layer not in self._viewer.layers:
            return
        self.tool, self._layer = tool, layer
        if tool in _STROKES:
            self._add_drawing()
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        self._viewer.mouse_drag_callbacks.append(self._on_press)

    def put_away(self) -> None:
        """Leave the mouse to napari."""
        self._remove_drawing()
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
        camera = camera_of(self._viewer)
        panned, camera.mouse_pan = camera.mouse_pan, False
        points = [self._point(event.position)]
        try:
            yield
            while event.type == "mouse_move":
                points.append(self._point(event.position))
                self._show(points)
                yield
            points.append(self._point(event.position))
        finally:
            camera.mouse_pan = panned
            self._show([])
        self._on_points(self.tool, points)

    def _click(self, event: Any) -> Iterator[None]:
        begun = self._point(event.position)
        if (yield from follow_click(event)):
            self._take(begun)

    def _take(self, point: Point) -> None:
        """Finish a click; merging needs two."""
        if self.tool == "merge" and self._first is None:
            self._first = point
            self._on_first()
            return
        points = [point] if self._first is None else [self._first, point]
        self._first = None
        self._on_points(self.tool, points)

    def _point(self, position: Any) -> Point:
        y, x = self._layer.world_to_data(position)[-2:]
        return float(y), float(x)

    def _show(self, points: list[Point]) -> None:
        """Draw the stroke, or nothing."""
        drawn = self._drawn
        if drawn is None or drawn not in self._viewer.layers:
            return
        here = list(self._layer.world_to_data(self._viewer.dims.point))[:-2]
        path = np.array([[*np.round(here), *point] for point in points])
        drawn.data = []
        if len(path) > 1:
            drawn.add_paths(path, edge_width=self._width(), edge_color=_COLOUR)

    def _width(self) -> float:
        """Return two pixels of the screen, in those of the image."""
        zoom = float(camera_of(self._viewer).zoom) * float(self._layer.scale[-1])
        return 2 / max(zoom, 1e-9)

    def _add_drawing(self) -> None:
        """Add the layer that strokes are drawn in, where the labels lie."""
        layer = self._layer
        place = {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear")}
        self._drawn = self._viewer.add_shapes(
            ndim=layer.ndim, name=_NAME, affine=layer.affine, units=layer.units, **place
        )

    def _remove_drawing(self) -> None:
        drawn, self._drawn = self._drawn, None
        if drawn is not None and drawn in self._viewer.layers:
            self._viewer.layers.remove(drawn)
