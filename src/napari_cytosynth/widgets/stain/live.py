"""Layers of a virtual stain, from the preview of its first sample to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.outlines import add_outlines

from .uncertainty_mask import StainedLayer, UncertaintyMask

if TYPE_CHECKING:
    from .job import LayerData, StainPreview, StainRunResult

__all__ = ["LiveStain"]


class LiveStain:
    """Layers of a virtual staining, updated during the run and filled with its result.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, str], Any] = {}
        self._extra: dict[str, list[Any]] = {}
        self._mask: UncertaintyMask | None = None
        self._result: StainRunResult | None = None

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
        return any(layer in self._viewer.layers for layer in self._layers.values())

    # -- during the run -----------------------------------------------------------------

    def update(self, preview: StainPreview) -> None:
        """Show the preview of one plane."""
        for key, (data, attributes, _) in preview.layers.items():
            if key not in self._layers:
                self._layers[key] = self._add(np.zeros(data.shape, np.float32), attributes)
        for key, plane in preview.planes.items():
            layer = self._layers[key]
            if layer in self._viewer.layers:
                # without the axes of length 1 that the layer may have besides
                layer.data.reshape(preview.shape)[preview.where] = plane
                layer.refresh(thumbnail=False, highlight=False, extent=False)
                if "contrast_limits" not in preview.layers[key][1]:
                    layer.reset_contrast_limits()

    def discard(self) -> None:
        """Remove the layers of an unfinished run."""
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = {}

    # -- its result -----------------------------------------------------------------------

    def finish(self, result: StainRunResult) -> None:
        """Show the result in the layers of the run; one that the user deleted stays away."""
        self._result = result
        for key, (data, attributes, _) in result.layers.items():
            layer = self._layers.get(key)
            if layer is None:
                self._layers[key] = self._add(data, attributes)
            elif layer in self._viewer.layers:
                layer.data = data
                layer.metadata = {**layer.metadata, **attributes.get("metadata", {})}
        self._mask = self._make_mask(result)

    def hide(self, fraction: float) -> str:
        """Hide a fraction of the pixels, the least certain; return a sentence for the user."""
        return "" if self._mask is None else self._mask.hide(fraction)

    def show_extra(self, kind: str, layers: list[LayerData]) -> None:
        """Show the layers of a comparison in place of those of an earlier one of its kind."""
        for layer in self._extra.pop(kind, []):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._extra[kind] = [self._add(*layer) for layer in layers]

    def release(self) -> None:
        """Show all hidden pixels, and leave the layers to the user."""
        if self._mask is not None:
            self._mask.restore()
            self._mask = None

    def _make_mask(self, result: StainRunResult) -> UncertaintyMask | None:
        stains = [
            StainedLayer(
                name,
                self._layers[name, "mean"],
                data,
                result.layers[name, "uncertainty"][0],
                attributes.get("contrast_limits"),
            )
            for (name, role), (data, attributes, _) in result.layers.items()
            if role == "mean" and (name, "uncertainty") in result.layers
        ]
        return UncertaintyMask(self._viewer, stains) if stains else None

    def _add(self, data: Any, attributes: dict[str, Any], kind: str = "image") -> Any:
        if kind == "points":
            return self._viewer.add_points(data, **attributes)
        if kind == "labels":
            return add_outlines(self._viewer, data, attributes)
        return self._viewer.add_image(data, rgb=False, **attributes)
