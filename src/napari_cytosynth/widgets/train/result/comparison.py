"""What two models make, side by side in the viewer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import layer_geometry
from napari_cytosynth.widgets.common.layers import take_out

if TYPE_CHECKING:
    from napari_cytosynth.widgets.train.order import TrainResult

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
        self._task = "segment"
        self.layers: list[Any] = []

    def show(self, result: TrainResult) -> None:
        """Show both results in place of earlier ones; nothing if there are none."""
        self.remove()
        if result.before is None or result.after is None:
            return
        self._task = result.tuned.task
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
        if self._task == "segment":
            self._add_objects(found, title, widths)
        elif self._task == "stain":
            self._add_stains(found, title, widths)
        else:
            self._add_images(found, title, widths)

    def _add_images(self, found: Any, title: str, widths: float) -> None:
        grid, rgb = _grid(np.asarray(found.images)), found.images.shape[1] == 3
        move = (0.0, widths * grid.shape[1])
        self.layers.append(self._viewer.add_image(grid, name=title, rgb=rgb, translate=move))

    def _add_objects(self, found: Any, title: str, widths: float) -> None:
        labels, about, _ = found.to_layers()[1]
        name = found.source.name or "image"
        place = _beside(found, labels, widths)
        image = self._viewer.add_image(
            _picture(found, labels.shape), name=f"{name} · {title}", **place
        )
        own = {"metadata": about["metadata"], "features": about["features"], **place}
        objects = self._viewer.add_labels(labels, name=f"{title} – {name}", **own)
        self.layers += [image, objects]

    def _add_stains(self, found: Any, title: str, widths: float) -> None:
        """Show the first stain; the others are there, hidden."""
        for number, (mean, about, _) in enumerate(found.to_layers()[: len(found.channels)]):
            own = {name: about[name] for name in ("metadata", "colormap") if name in about}
            layer = self._viewer.add_image(
                mean,
                name=f"{title} – {found.channels[number]}",
                visible=number == 0,
                **own,
                **_beside(found, mean, widths),
            )
            self.layers.append(layer)

    def _bring_into_view(self) -> None:
        layer, dims = self.layers[-1], self._viewer.dims
        world = layer.data_to_world([0] * layer.ndim)
        first = dims.ndim - layer.ndim
        for axis in dims.not_displayed:
            if axis >= first:
                dims.set_point(axis, world[axis - first])
        self._viewer.reset_view()


def _picture(found: Any, shape: tuple[int, ...]) -> Any:
    return np.asarray(found.source.data[tuple(found.position or ())]).reshape(shape)


def _beside(found: Any, data: Any, widths: float) -> dict[str, Any]:
    """Return the place of a result, moved to the right by widths of the image."""
    geometry = found.placement.geometry or _plain(data.ndim)
    move = {data.ndim - 1: widths * data.shape[-1]}
    return layer_geometry(geometry, range(data.ndim), move)


def _grid(images: Any) -> Any:
    """Lay images (N, C, Y, X) side by side: of three channels as colours, else the first."""
    side = math.isqrt(len(images))
    picture = np.moveaxis(images, 1, -1) if images.shape[1] == 3 else images[:, 0]
    rows = [np.concatenate(picture[side * n : side * (n + 1)], axis=1) for n in range(side)]
    return np.clip(np.concatenate(rows), 0, 1)


def _plain(ndim: int) -> dict[str, Any]:
    return {"scale": np.ones(ndim), "translate": np.zeros(ndim)}
