"""A run of virtual staining in the viewer, from the preview of its first sample to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .hiding import HidingLayer, HidingLayers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .hiding import Rule
    from .job import LayersByRole, StainPreview, StainRunResult
    from .shown.removal import LayerRemover
    from .shown.result_layers import Key, StainLayers
    from .shown.view import StainView

__all__ = ["LiveStain"]


class LiveStain:
    """One run: it writes into the layers of its image while it goes on, or takes all back.

    Parameters
    ----------
    viewer
        The napari viewer.
    layers
        The layers of the image that is stained.
    view
        Decides which of them are shown.
    source
        Weak reference to the image's layer.
    remover
        Removes what an unfinished run has added.
    """

    def __init__(
        self,
        viewer: Any,
        layers: StainLayers,
        view: StainView,
        source: Callable[[], Any],
        remover: LayerRemover,
    ) -> None:
        self._viewer = viewer
        self.layers = layers
        self._view, self._source, self._remover = view, source, remover
        self._used: dict[Key, Any] = {}
        self._before: dict[Key, Any] = {}  # data of the layers of an earlier run
        self._result: StainRunResult | None = None
        self.kept_edits = False

    @property
    def staining(self) -> Any:
        """The result; available after `finish`."""
        assert self._result is not None
        return self._result.staining

    @property
    def request(self) -> Any:
        """The request that the result belongs to."""
        assert self._result is not None
        return self._result.request

    @property
    def alive(self) -> bool:
        """Whether at least one of the layers is still in the viewer."""
        return any(layer in self._viewer.layers for layer in self._used.values())

    def mean_layer(self, stain: str) -> Any:
        """Return the layer of a stain's mean; None where the user deleted it."""
        layer = self._used.get((stain, "mean"))
        return layer if layer in self._viewer.layers else None

    # -- during the run -----------------------------------------------------------------

    def update(self, preview: StainPreview) -> None:
        """Show the preview of one plane."""
        self._begin(preview.layers)
        for key, (data, attributes, _) in preview.layers.items():
            if key not in self._used:
                self._open(key, data, attributes)
        for key, plane in preview.planes.items():
            layer = self._used[key]
            if layer in self._viewer.layers and not self.layers.was_edited(key):
                # without the axes of length 1 that the layer may have besides
                layer.data.reshape(preview.shape)[preview.where] = plane
                layer.refresh(thumbnail=False, highlight=False, extent=False)
                if "contrast_limits" not in preview.layers[key][1]:
                    layer.reset_contrast_limits()

    def discard(self) -> None:
        """Take back an unfinished run: its layers go, and those of an earlier one are restored."""
        for key, data in self._before.items():
            if self._used[key] in self._viewer.layers and not self.layers.was_edited(key):
                self.layers.write(key, data)
        added = [layer for key, layer in self._used.items() if key not in self._before]
        self._used, self._before = {}, {}
        self._view.undo()
        with self._view.quiet():
            self._remover.remove(added)

    def _begin(self, layers: LayersByRole) -> None:
        if not self._used:
            names = list(dict.fromkeys(stain for stain, _ in layers))
            self._view.attach(self.layers, self._source(), names)

    def _open(self, key: Key, data: Any, attributes: dict[str, Any]) -> None:
        """Take the layer of an earlier run, or a new one."""
        layer = self.layers.writable(key, np.shape(data))
        if layer is None:
            self._add(key, np.array(data, np.float32), attributes)  # NaN outside of a region
            return
        self._used[key], self._before[key] = layer, layer.data
        # the earlier result stays in view until its planes are replaced
        self.layers.write(key, np.array(layer.data, np.float32))

    def _add(self, key: Key, data: Any, attributes: dict[str, Any]) -> None:
        self.kept_edits |= self.layers.was_edited(key)
        layer = self.layers.add(key, data, attributes, self._view.wants(key))
        self._used[key] = layer
        self._view.follow(key, layer)

    # -- its result -----------------------------------------------------------------------

    def finish(self, result: StainRunResult) -> None:
        """Show the result in the layers of the run; one that the user deleted stays away."""
        self._result = result
        self._begin(result.layers)
        self.layers.remove_extra(self._remover)
        for key, (data, attributes, _) in result.layers.items():
            layer = self._used.get(key)
            if layer is None:
                layer = self._used[key] = self.layers.writable(key, np.shape(data))
            if layer is None or (layer in self._viewer.layers and self.layers.was_edited(key)):
                self._add(key, data, attributes)
            elif layer in self._viewer.layers:
                self.layers.show_result(key, data, attributes)
        with self._view.quiet():
            self._remover.remove(self.layers.outdated(set(result.layers)))
        self._before = {}
        self._view.settle()

    @property
    def why_no_rule(self) -> str:
        """Why pixels cannot be hidden by the spread of views; empty where they can."""
        assert self._result is not None
        return self._result.why_no_rule

    @property
    def rules(self) -> Mapping[str, Rule]:
        """By which the pixels of a stain can be hidden."""
        assert self._result is not None
        return self._result.rules

    def make_hiding(self) -> HidingLayers:
        """Return what hides the pixels of each stain whose views tell which are doubtful."""
        hiding = HidingLayers(self._viewer)
        for name, rule in self.rules.items():
            hiding.add(name, self.hiding_layer(name, rule))
        return hiding

    def hiding_layer(self, stain: str, rule: Rule) -> HidingLayer:
        """Return what hides parts of a stain's mean by a rule."""
        assert self._result is not None
        return HidingLayer(self._used[stain, "mean"], self._result.layers[stain, "mean"][0], rule)
