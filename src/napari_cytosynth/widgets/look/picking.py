"""Clicks on the objects of a labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.common.canvas import follow_click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ObjectPicker"]

_LOOKING = ("pan_zoom", "transform")  # modes in which a click does not draw


class ObjectPicker:
    """Tells which object was clicked, while napari's tools are put away.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_pick
        Called with the number of the object, 0 for the background.
    """

    def __init__(self, viewer: Any, on_pick: Callable[[int], Any]) -> None:
        self._viewer, self._on_pick = viewer, on_pick
        self.layer: Any = None
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Leave the mouse to napari."""
        self.layer = None
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        looking = active is None or getattr(active, "mode", "pan_zoom") in _LOOKING
        if event.button != 1 or self.layer is None or not looking:
            return
        label = self._label_at(event)
        if (yield from follow_click(event)):
            self._on_pick(label)

    def _label_at(self, event: Any) -> int:
        layer = self.layer
        if layer not in self._viewer.layers or not layer.visible:
            return 0
        value = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        if isinstance(value, tuple):  # of a pyramid, with the level
            value = value[1]
        return int(value or 0)
