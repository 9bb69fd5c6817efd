"""What two models find in one image, side by side in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import layer_geometry
from napari_cytosynth.widgets.common.layers import take_out

if TYPE_CHECKING:
    from napari_cytosynth.widgets.train.job import TrainResult

__all__ = ["ModelComparison"]

_APART = 1.03  # widths of the image


class ModelComparison:
    """Layers of a comparison: the start model on the image, the new one to the right of it.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layers: list[Any] = []

    def show(self, result: TrainResult) -> None:
        """Show both results in place of earlier ones; nothing if there are none."""
        self.remove()
        if result.before is None or result.after is None:
            return
        self._add(result.before, "before", 0.0)
        self._add(result.after, "after", _APART)
        self._bring_into_view()

    def remove(self) -> None:
        """Take the layers out of the viewer, as far as they are still there."""
        gone = take_out(self._viewer, *self.layers)
        self.layers = []
        if gone:
            self._viewer.reset_view()

    def _add(self, found: Any, title: str, widths: float) -> None:
        labels, about, _ = found.to_layers()[1]
        name = found.source.name or "image"
        picture = np.asarray(found.source.data[tuple(found.position or ())]).reshape(labels.shape)
        place = layer_geometry(found.placement.geometry or _plain(labels.ndim), range(labels.ndim),
                               {labels.ndim - 1: widths * labels.shape[-1]})  # fmt: skip
        image = self._viewer.add_image(picture, name=f"{name} · {title}", **place)
        own = {"metadata": about["metadata"], "features": about["features"], **place}
        objects = self._viewer.add_labels(labels, name=f"{title} – {name}", **own)
        self.layers += [image, objects]

    def _bring_into_view(self) -> None:
        layer, dims = self.layers[-1], self._viewer.dims
        world = layer.data_to_world([0] * layer.ndim)
        first = dims.ndim - layer.ndim
        for axis in dims.not_displayed:
            if axis >= first:
                dims.set_point(axis, world[axis - first])
        self._viewer.reset_view()


def _plain(ndim: int) -> dict[str, Any]:
    return {"scale": np.ones(ndim), "translate": np.zeros(ndim)}
