"""Clicks and strokes of the mouse on a labels layer, as points of its plane in view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.canvas import camera_of, follow_click
from napari_cytosynth.widgets.common.layers import take_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["HandGestures"]

Point = tuple[float, float]
Place = tuple[int, ...]

_STROKES = ("cut", "paint")
"""Tools that draw; the others click."""
_FREE = ("pan_zoom", "transform")
"""Modes of a layer in which napari itself does nothing with a click."""
_FLAT = "Corrections need the two-dimensional view, with Y and X as they lie in the image."
_HIDDEN = "The labels are hidden: show them to correct them."
_ELSEWHERE = "The labels are of another plane: go to it to correct them."
_NAME = "line of the correction"
_COLOUR = "yellow"


class HandGestures:
    """Follows the mouse and some keys while a tool is chosen.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_points
        Called with the tool and the points (y, x) of a finished gesture.
    on_first
        Called when the first of two clicks was made, with whether an earlier one was given up
        since it was in another plane.
    on_refused
        Called with why nothing can be corrected in what is shown.
    keys
        What the keys do, as napari names them.
    """

    def __init__(
        self,
        viewer: Any,
        on_points: Callable[[str, list[Point]], Any],
        on_first: Callable[[bool], Any],
        on_refused: Callable[[str], Any],
        keys: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._viewer = viewer
        self._on_points, self._on_first, self._on_refused = on_points, on_first, on_refused
        self._keys = keys
        self._layer: Any = None
        self._first: tuple[Point, Place] | None = None
        self._drawn: Any = None
        self.tool = ""

    @property
    def layer(self) -> Any:
        """The labels layer that the tool is for; None without a tool."""
        return self._layer

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
        for key, action in self._keys.items():
            layer.bind_key(key, _of_key(action), overwrite=True)
        self._viewer.mouse_drag_callbacks.append(self._on_press)

    def put_away(self) -> None:
        """Leave the mouse and the keys to napari."""
        self._remove_drawing()
        for key in self._keys if self._layer is not None else ():
            self._layer.bind_key(key, None)
        self.tool, self._layer, self._first = "", None, None
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def point_under_cursor(self) -> Point | None:
        """Return the point (y, x) of the layer under the cursor; None if it cannot be corrected."""
        if self._layer is None or self._refused():
            return None
        return self._point(self._viewer.cursor.position)

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or self._layer is None or self._napari_draws() or self._refused():
            return
        if self.tool in _STROKES:
            yield from self._stroke(event)
        else:
            yield from self._click(event)

    def _napari_draws(self) -> bool:
        """Return whether the user has taken a tool of napari in hand meanwhile."""
        active = self._viewer.layers.selection.active
        return str(getattr(active, "mode", "pan_zoom")) not in _FREE

    def _refused(self) -> bool:
        """Return whether nothing can be corrected in what is shown, and say why."""
        reason = self._reason()
        if reason:
            self._on_refused(reason)
        return bool(reason)

    def _reason(self) -> str:
        dims, layer = self._viewer.dims, self._layer
        if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
            return _FLAT
        if not layer.visible:
            return _HIDDEN
        inside = zip(self._place(), layer.data.shape, strict=False)
        return "" if all(0 <= at < size for at, size in inside) else _ELSEWHERE

    def _place(self) -> Place:
        """Return the index of the plane in view into the leading axes of the layer."""
        here = self._layer.world_to_data(self._viewer.dims.point)[-self._layer.ndim : -2]
        return tuple(round(float(at)) for at in here)

    def _stroke(self, event: Any) -> Iterator[None]:
        camera, layer = camera_of(self._viewer), self._layer
        panned, camera.mouse_pan = camera.mouse_pan, False
        points = [self._point(event.position)]
        try:
            yield
            while event.type == "mouse_move" and layer is self._layer:
                points.append(self._point(event.position))
                self._show(points)
                yield
        finally:
            camera.mouse_pan = panned
            self._show([])
        if layer is self._layer:  # else the tool was put away meanwhile
            points.append(self._point(event.position))
            self._on_points(self.tool, points)

    def _click(self, event: Any) -> Iterator[None]:
        layer, begun = self._layer, self._point(event.position)
        if (yield from follow_click(event)) and layer is self._layer:
            self._take(begun)

    def _take(self, point: Point) -> None:
        """Finish a click; merging needs two, in one plane."""
        first, place = self._first, self._place()
        if self.tool == "merge" and (first is None or first[1] != place):
            self._first = point, place
            self._on_first(first is not None)
            return
        self._first = None
        self._on_points(self.tool, [point] if first is None else [first[0], point])

    def _point(self, position: Any) -> Point:
        y, x = self._layer.world_to_data(position)[-2:]
        return float(y), float(x)

    def _show(self, points: list[Point]) -> None:
        """Draw the stroke, or nothing."""
        drawn = self._drawn
        if drawn is None or drawn not in self._viewer.layers or self._layer is None:
            return
        path = np.array([[*self._place(), *point] for point in points])
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
        take_out(self._viewer, drawn)


def _of_key(action: Callable[[], Any]) -> Callable[[Any], None]:
    """Return what a key does, as napari calls it: with the layer that it was pressed in."""

    def act(_layer: Any) -> None:
        action()

    return act
