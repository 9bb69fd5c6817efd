"""The layers of a virtual stain, which appear with its first sample and sharpen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .uncertainty_mask import StainedLayer, TrustMask

if TYPE_CHECKING:
    from .job import LayerData, Preview, Stained

__all__ = ["LiveStain"]


class LiveStain:
    """Shows a run while it is under way, then its result, for as long as the user keeps it.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, str], Any] = {}
        self._extra: dict[str, list[Any]] = {}
        self._mask: TrustMask | None = None
        self._answer: Stained | None = None

    @property
    def staining(self) -> Any:
        """The result; there is none before `finish`."""
        assert self._answer is not None
        return self._answer.staining

    @property
    def request(self) -> Any:
        """What the result was asked for with."""
        assert self._answer is not None
        return self._answer.request

    @property
    def alive(self) -> bool:
        """Whether at least one of the layers is still in the viewer."""
        return any(layer in self._viewer.layers for layer in self._layers.values())

    # -- during the run -----------------------------------------------------------------

    def update(self, preview: Preview) -> None:
        """Show what the samples drawn so far say of one plane."""
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
        """Take the layers of an unfinished run away again."""
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = {}

    # -- its result -----------------------------------------------------------------------

    def finish(self, answer: Stained) -> None:
        """Show the result in the layers of the run; one that the user deleted stays away."""
        self._answer = answer
        for key, (data, attributes, _) in answer.layers.items():
            layer = self._layers.get(key)
            if layer is None:
                self._layers[key] = self._add(data, attributes)
            elif layer in self._viewer.layers:
                layer.data = data
                layer.metadata = {**layer.metadata, **attributes.get("metadata", {})}
        self._mask = self._make_mask(answer)

    def hide(self, share: float) -> str:
        """Hide this share of the pixels, the least certain; return what to tell of it."""
        return "" if self._mask is None else self._mask.hide(share)

    def show_extra(self, kind: str, layers: list[LayerData]) -> None:
        """Show the layers of a comparison or opinion in place of an earlier one's."""
        for layer in self._extra.pop(kind, []):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._extra[kind] = [self._add(*layer) for layer in layers]

    def let_go(self) -> None:
        """Show all that is hidden, and leave the layers to the user."""
        if self._mask is not None:
            self._mask.restore()
            self._mask = None

    def _make_mask(self, answer: Stained) -> TrustMask | None:
        stains = [
            StainedLayer(
                name,
                self._layers[name, "mean"],
                data,
                answer.layers[name, "uncertainty"][0],
                attributes.get("contrast_limits"),
            )
            for (name, role), (data, attributes, _) in answer.layers.items()
            if role == "mean" and (name, "uncertainty") in answer.layers
        ]
        return TrustMask(self._viewer, stains) if stains else None

    def _add(self, data: Any, attributes: dict[str, Any], kind: str = "image") -> Any:
        if kind == "points":
            return self._viewer.add_points(data, **attributes)
        return self._viewer.add_image(data, rgb=False, **attributes)
