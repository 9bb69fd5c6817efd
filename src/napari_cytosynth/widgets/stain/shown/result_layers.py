"""Layers of the virtual stains of one image, which its later runs write into again."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.snapshot import whole_data
from napari_cytosynth.widgets.stain.shown.outlines import add_outlines

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.widgets.stain.job import LayerData

    from .removal import LayerRemover

__all__ = ["Key", "StainLayers", "StainRegister"]

Key = tuple[str, str]
"""Name of a stain, and the role of its layer: ``mean``, ``uncertainty`` or ``sample spread``."""

_LOOKS = ("name", "metadata", "contrast_limits", "colormap", "blending", "visible")


@dataclass(eq=False)
class _Entry:
    """A layer, and what was written into it last: all else is the user's."""

    layer: Any
    name: str
    written: Callable[[], Any]
    limits: tuple[float, float] | None

    @property
    def edited(self) -> bool:
        return whole_data(self.layer) is not self.written()

    def write(self, data: Any) -> None:
        self.layer.data = data
        self.written = weakref.ref(self.layer.data)


class StainLayers:
    """Means and uncertainties of one image, kept apart from what the user edits.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._entries: dict[Key, _Entry] = {}
        self._extra: dict[str, list[Any]] = {}

    @property
    def alive(self) -> bool:
        """Whether at least one of the layers is in the viewer."""
        return bool(self.layers())

    def layers(self) -> dict[Key, Any]:
        """Return the layers that are in the viewer, in the order in which they were added."""
        there = self._viewer.layers
        return {key: e.layer for key, e in self._entries.items() if e.layer in there}

    def writable(self, key: Key, shape: tuple[int, ...]) -> Any:
        """Return the layer that a run may write into; None if a new one is needed."""
        entry = self._entries.get(key)
        if entry is None or entry.layer not in self._viewer.layers or entry.edited:
            return None
        return entry.layer if np.shape(entry.layer.data) == shape else None

    def was_edited(self, key: Key) -> bool:
        """Return whether the user put other data into a layer."""
        entry = self._entries.get(key)
        return entry is not None and entry.layer in self._viewer.layers and entry.edited

    def add(self, key: Key, data: Any, attributes: dict[str, Any], visible: bool) -> Any:
        """Add a layer to the viewer, in place of what was known under that key."""
        layer = self._viewer.add_image(data, rgb=False, **(attributes | {"visible": visible}))
        limits = attributes.get("contrast_limits")
        self._entries[key] = _Entry(layer, layer.name, weakref.ref(layer.data), limits)
        return layer

    def write(self, key: Key, data: Any) -> None:
        """Write the widget's own data into a layer, which are no edit."""
        self._entries[key].write(data)

    def show_result(self, key: Key, data: Any, attributes: dict[str, Any]) -> None:
        """Write a result into its layer: pixels, place and record, none of the user's looks."""
        entry = self._entries[key]
        layer = entry.layer
        entry.write(data)
        for name, value in attributes.items():
            if name not in _LOOKS:
                setattr(layer, name, value)
        if layer.name == entry.name:  # the user gave it no other
            layer.name = attributes["name"]
            entry.name = layer.name
        limits = attributes.get("contrast_limits")
        if limits is not None and entry.limits == tuple(layer.contrast_limits):
            layer.contrast_limits = entry.limits = tuple(limits)
        layer.metadata = {**layer.metadata, **attributes.get("metadata", {})}

    def outdated(self, keys: set[Key]) -> list[Any]:
        """Return the uncertainties and spreads that do not belong to the means of a new result."""
        stains = {stain for stain, role in keys if role == "mean"}
        return [
            entry.layer
            for (stain, role), entry in self._entries.items()
            if role != "mean" and stain in stains and (stain, role) not in keys and not entry.edited
        ]

    def prune(self) -> None:
        """Forget the layers that are no longer in the viewer."""
        there = self._viewer.layers
        self._entries = {k: e for k, e in self._entries.items() if e.layer in there}
        for kind, layers in self._extra.items():
            self._extra[kind] = [layer for layer in layers if layer in there]

    # -- comparisons ----------------------------------------------------------------------

    def extra(self, kind: str) -> list[Any]:
        """Return the layers of a comparison that are in the viewer."""
        return [layer for layer in self._extra.get(kind, []) if layer in self._viewer.layers]

    def extras(self) -> list[Any]:
        """Return the layers of all comparisons that are in the viewer."""
        return [layer for kind in self._extra for layer in self.extra(kind)]

    def show_extra(self, kind: str, layers: list[LayerData], remover: LayerRemover) -> list[Any]:
        """Show the layers of a comparison in place of those of an earlier one of its kind."""
        remover.remove(self._extra.pop(kind, []))
        self._extra[kind] = [self._add_extra(*layer) for layer in layers]
        return self._extra[kind]

    def remove_extra(self, remover: LayerRemover, *kinds: str) -> None:
        """Remove the layers of comparisons. Default: of all kinds."""
        for kind in kinds or tuple(self._extra):
            remover.remove(self._extra.pop(kind, []))

    def _add_extra(self, data: Any, attributes: dict[str, Any], kind: str) -> Any:
        if kind == "points":
            return self._viewer.add_points(data, **attributes)
        if kind == "labels":
            return add_outlines(self._viewer, data, attributes)
        return self._viewer.add_image(data, rgb=False, **attributes)


class StainRegister:
    """The layers of all images that were stained, so that another run finds its image's own.

    A result belongs to its image layer, channels and plane: two planes of one image have
    layers of their own.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._known: weakref.WeakKeyDictionary[Any, dict[Any, StainLayers]] = (
            weakref.WeakKeyDictionary()
        )

    def find(self, source: Any, channels: Any, plane: Any) -> StainLayers:
        """Return the layers of an image, which has none before its first run."""
        known = self._known.setdefault(source, {})
        return known.setdefault((channels, plane), StainLayers(self._viewer))

    def prune(self) -> None:
        """Forget all layers that are no longer in the viewer."""
        for known in self._known.values():
            for layers in known.values():
                layers.prune()

    def forget(self) -> None:
        """Leave all layers to the user."""
        self._known.clear()
