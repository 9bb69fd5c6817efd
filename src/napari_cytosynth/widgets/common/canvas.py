"""Grid and camera of the canvas, wherever this version of napari keeps them."""

from __future__ import annotations

from typing import Any

__all__ = ["camera_of", "grid_of", "name_overlay_of"]


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
