"""Grid and camera of the canvas, wherever this version of napari keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["camera_of", "follow_click", "grid_of", "look_at", "name_overlay_of"]

_STILL = 4  # px of the screen that a click may move
_LEAST_ON_SCREEN = 60.0
"""Screen px that an object has at least when it is looked at."""


def grid_of(viewer: Any) -> Any:
    """Return the model of a viewer's grid mode."""
    canvas = getattr(viewer, "canvas", None)  # where napari 0.9 has moved it
    return viewer.grid if canvas is None else canvas.grid


def camera_of(viewer: Any) -> Any:
    """Return the camera of a viewer."""
    return getattr(viewer, "scene", viewer).camera  # napari 0.9 has moved it


def name_overlay_of(layer: Any) -> Any:
    """Return the overlay that shows a layer's name; None before napari 0.6.5."""
    return getattr(layer, "name_overlay", None)


def look_at(viewer: Any, layer: Any, place: tuple[float, ...], diameter_px: float) -> None:
    """Move planes and camera to an object, and nearer where it would be too small to see.

    Parameters
    ----------
    viewer
        The napari viewer.
    layer
        A layer in whose axes the place is, wherever the user has moved it.
    place
        The middle of the object, an index for each axis of the layer.
    diameter_px
        How large it is, in pixels of the layer.
    """
    world = np.asarray(layer.data_to_world(place), float)
    dims, first = viewer.dims, viewer.dims.ndim - layer.ndim
    now = np.asarray(layer.world_to_data(dims.point), float)[-layer.ndim :]
    for axis in dims.not_displayed:
        own = axis - first
        # a layer that lies across several planes is seen in all of them
        if own >= 0 and round(now[own]) != round(place[own]):
            dims.set_point(axis, world[own])
    camera = camera_of(viewer)
    center = list(camera.center)
    for number, axis in enumerate(dims.displayed):
        if axis >= first:
            center[len(center) - len(dims.displayed) + number] = world[axis - first]
    camera.center = tuple(center)
    across = diameter_px * float(np.abs(layer.scale[-1]))
    if across > 0 and camera.zoom * across < _LEAST_ON_SCREEN:
        camera.zoom = _LEAST_ON_SCREEN / across


def follow_click(event: Any) -> Generator[None, None, bool]:
    """Follow a press of the mouse to its release; return whether it was a click.

    It is none where the pointer was moved meanwhile, which moves the view.

    Parameters
    ----------
    event
        Of a callback of napari's ``mouse_drag_callbacks``, which yields from this.
    """
    pressed = np.array(event.pos, float)
    yield
    while event.type == "mouse_move":
        if np.abs(np.asarray(event.pos, float) - pressed).max() > _STILL:
            return False
        yield
    return True
