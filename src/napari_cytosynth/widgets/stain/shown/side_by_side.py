"""Layers side by side in napari's grid, and everything again as it was."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.common.canvas import camera_of, grid_of, name_overlay_of
from napari_cytosynth.widgets.stain.shown.repaint import set_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SideBySide"]

_GRID = ("stride", "shape", "spacing")
_CAMERA = ("center", "zoom", "angles")
_GAP = 0.02  # of a picture
_NAME_PT = 8.0


class SideBySide:
    """Switches napari's grid on, names the pictures in it, and restores all that it changed.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_left
        Called when the user has switched the grid off by napari's own button.
    """

    def __init__(self, viewer: Any, on_left: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_left = on_left
        self._visible: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._named: weakref.WeakKeyDictionary[Any, tuple[bool, float]] = (
            weakref.WeakKeyDictionary()
        )
        self._before: dict[str, Any] = {}
        self.on = False

    def enter(self, layers: Sequence[Any]) -> None:
        """Begin with the grid: remember what is shown and how, and name the layers."""
        grid, camera = grid_of(self._viewer), camera_of(self._viewer)
        self._before = {name: getattr(grid, name) for name in _GRID if hasattr(grid, name)}
        self._before["enabled"] = bool(grid.enabled)
        self._before["camera"] = {name: getattr(camera, name) for name in _CAMERA}
        self._visible.update({layer: bool(layer.visible) for layer in layers})
        self.on = True
        for layer in layers:
            self.name(layer)
        grid.stride, grid.shape = 1, (-1, -1)
        if hasattr(grid, "spacing"):
            grid.spacing = _GAP
        grid.enabled = True
        grid.events.enabled.connect(self._on_enabled)

    def fit(self) -> None:
        """Fit the pictures into the canvas."""
        self._viewer.reset_view()

    def name(self, layer: Any) -> None:
        """Show the name of a layer on its picture."""
        overlay = name_overlay_of(layer)
        if overlay is not None and layer not in self._named:
            self._named[layer] = bool(overlay.visible), float(overlay.font_size)
            overlay.visible, overlay.font_size = True, _NAME_PT

    def leave(self) -> None:
        """Restore grid, camera, and what is shown; layers that came meanwhile are hidden."""
        if not self.on:
            return
        self.on = False
        grid, camera = grid_of(self._viewer), camera_of(self._viewer)
        grid.events.enabled.disconnect(self._on_enabled)
        there = list(self._viewer.layers)
        for layer in there:
            if layer in self._named:
                overlay = name_overlay_of(layer)
                overlay.visible, overlay.font_size = self._named[layer]
        ours = [layer for layer in there if layer in self._visible or layer in self._named]
        set_visible((layer, self._visible.get(layer, False)) for layer in ours)
        camera_before = self._before.pop("camera")
        for name, value in self._before.items():
            setattr(grid, name, value)
        for name, value in camera_before.items():
            setattr(camera, name, value)
        self._visible.clear()
        self._named.clear()

    def _on_enabled(self, _event: Any = None) -> None:
        if not grid_of(self._viewer).enabled:
            self._on_left()
