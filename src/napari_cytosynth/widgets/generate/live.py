"""Layers of synthetic images, from the previews of sampling steps to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.layers import position_in_view

if TYPE_CHECKING:
    from .job import GenerationPreview, LayerData, RunResult

__all__ = ["LiveGeneration"]


class LiveGeneration:
    """Layers of a generation, updated during the run and filled with its result.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[str, Any] = {}
        self._neighbours: list[Any] = []
        self._grid: list[Any] = []
        self._shown: list[Any] = []
        self._hidden: list[Any] = []
        self._fitted: Any = None
        self._result: RunResult | None = None

    @property
    def result(self) -> RunResult:
        """The result; available after `finish`."""
        assert self._result is not None
        return self._result

    @property
    def generation(self) -> Any:
        """The generated images and their provenance."""
        return self.result.generation

    @property
    def alive(self) -> bool:
        """Whether at least one of the layers is still in the viewer."""
        return bool(self._in_viewer([*self._layers.values(), *self._grid]))

    # -- during the run -----------------------------------------------------------------

    def update(self, preview: GenerationPreview) -> None:
        """Show the preview of the running batch."""
        if not self._layers:
            for layer in with_opaque_base(preview.layers):
                self._layers[layer[1]["name"]] = self._add(*layer)
            self._go_to(0)
            self._fit()
        for name, (images, limits) in preview.planes.items():
            layer = self._layers[name]
            if layer in self._viewer.layers and layer.data.shape[1:] == images.shape[1:]:
                layer.data[preview.numbers] = images
                layer.refresh(thumbnail=False, highlight=False, extent=False)
                if limits is not None:
                    layer.contrast_limits = limits

    def discard(self) -> None:
        """Remove the layers of an unfinished run."""
        self._remove(list(self._layers.values()))
        self._layers = {}

    # -- its result -----------------------------------------------------------------------

    def finish(self, result: RunResult) -> None:
        """Show the result in the layers of the run; one that the user deleted stays away."""
        self._result = result
        live, self._layers = self._layers, {}
        previewed = bool(live)
        for data, attributes, kind in with_opaque_base(result.layers):
            name = attributes["name"]
            layer = live.get(name)
            if layer is None or (layer in self._viewer.layers and layer.data.ndim != data.ndim):
                self._layers[name] = self._add(data, attributes, kind)
            elif layer in self._viewer.layers:
                self._layers[name] = live.pop(name)
                _fill(layer, data, attributes)
        # Only now: without any layer napari would forget its sliders.
        self._remove(list(live.values()))
        for name in live.keys() & self._layers.keys():
            self._layers[name].name = name
        if not previewed:
            self._go_to(0)
        self._go_to_result()
        if not previewed or self._fitted == self._camera():  # the list of layers may have widened
            self._fit()

    def sample_in_view(self) -> int | None:
        """Return the number of the sample in view; None in a grid."""
        stack = self._in_viewer(list(self._layers.values()))
        if self._result is None or self._grid or not stack:
            return None
        return position_in_view(self._viewer, stack[0])[0]

    def show_neighbours(self, layers: list[LayerData]) -> None:
        """Show the nearest training images in place of those of an earlier look-up."""
        self._remove(self._neighbours)
        self._neighbours = [self._add(*layer) for layer in layers]
        if self._neighbours:
            self._viewer.reset_view()

    def show_grid(self, wanted: bool) -> None:
        """Show all samples side by side in one plane, or one at a time again."""
        if wanted == bool(self._grid):
            return
        if wanted:
            stack = self._in_viewer([*self._layers.values(), *self._neighbours])
            self._shown = [layer for layer in stack if layer.visible]
            for layer in stack:
                layer.visible = False
            self._grid = [
                self._add(*layer) for layer in with_opaque_base(self.generation.grid_layers())
            ]
        else:
            self._remove(self._grid)
            self._grid = []
            for layer in self._in_viewer(self._shown):
                layer.visible = True
        self._viewer.reset_view()

    def hide(self) -> None:
        """Hide the layers while another run is shown at the same place."""
        layers = self._in_viewer([*self._layers.values(), *self._neighbours, *self._grid])
        for layer in layers:
            if layer.visible:
                self._hidden.append(layer)
                layer.visible = False

    def show_again(self) -> None:
        """Show the hidden layers."""
        hidden, self._hidden = self._hidden, []
        for layer in self._in_viewer(hidden):
            layer.visible = True

    # -- the viewer ---------------------------------------------------------------------------

    def _in_viewer(self, layers: list[Any]) -> list[Any]:
        return [layer for layer in layers if layer in self._viewer.layers]

    def _remove(self, layers: list[Any]) -> None:
        for layer in self._in_viewer(layers):
            self._viewer.layers.remove(layer)

    def _go_to(self, sample: int) -> None:
        """Move the slider to a sample; napari would begin in the middle of the stack."""
        for layer in list(self._layers.values())[:1]:
            self._viewer.dims.set_point(self._viewer.dims.ndim - layer.ndim, sample)

    def _go_to_result(self) -> None:
        """Move the slider of a trajectory to its last step, the images."""
        trajectory = self.generation.trajectory
        if trajectory is not None:
            self._go_to(0)
            self._viewer.dims.set_point(self._viewer.dims.ndim - 3, trajectory.shape[1] - 1)

    def _fit(self) -> None:
        """Fit the view to the images, where no other layer is shown."""
        mine = [*self._layers.values()]
        if not any(layer.visible for layer in self._viewer.layers if layer not in mine):
            self._viewer.reset_view()
            self._fitted = self._camera()

    def _camera(self) -> tuple[Any, ...]:
        camera = getattr(self._viewer, "scene", self._viewer).camera  # napari 0.9 has moved it
        return (*camera.center, camera.zoom)

    def _add(self, data: Any, attributes: dict[str, Any], kind: str) -> Any:
        if kind == "labels":
            layer = self._viewer.add_labels(data, **attributes)
            layer.contour = 1  # the image under the labels stays visible
            return layer
        return self._viewer.add_image(data, **attributes)


def _fill(layer: Any, data: Any, attributes: dict[str, Any]) -> None:
    """Put a result into the layer of its previews."""
    layer.data = data
    if "translate" in attributes:
        layer.translate = attributes["translate"]
    layer.metadata = {**layer.metadata, **attributes["metadata"]}
    if "contrast_limits" in attributes:
        layer.contrast_limits = attributes["contrast_limits"]


def with_opaque_base(layers: list[LayerData]) -> list[LayerData]:
    """Let the lowest channel cover what lies below, which the others are not added to."""
    covered = list(layers)
    for number, (data, attributes, kind) in enumerate(covered):
        if attributes.get("blending") == "additive":
            # outside of a region one sees through: opaque pixels without a value are black
            base = "translucent_no_depth" if np.isnan(data).any() else "opaque"
            covered[number] = data, {**attributes, "blending": base}, kind
            break
    return covered
