"""Placement of a result in the viewer: its layers carry the geometry of their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .layers import layer_geometry

if TYPE_CHECKING:
    from .layers import Source

__all__ = ["Placement"]


@dataclass(frozen=True, eq=False)
class Placement:
    """Axes and geometry of a result's layers, from those of its source.

    Attributes
    ----------
    source, source_axes
        The image, and the letters of its axes.
    axes
        Letters of the axes of one channel of the result.
    position
        Index of the plane into the axes that count planes, if it is a single one.
    channel
        Index into the axis ``C`` of the (first) input channel.
    pixel_size
        Along Y and X in µm, or None if unknown.
    z_size
        Distance of planes along Z in µm. Default: None, unknown.
    across_z
        Each plane of the result was made of several along Z: its layers lie across the whole
        stack, and are seen wherever one is in it. Default: False.
    """

    source: Source
    source_axes: str
    axes: str
    position: tuple[int, ...] | None
    channel: int
    pixel_size: tuple[float, ...] | None
    z_size: float | None = None
    across_z: bool = False

    @property
    def layer_axes(self) -> str:
        """Letters of the axes of a layer of the result.

        napari lines axes up from the last one. A channel axis that stands between the axes
        that count planes and Y therefore stays, with length 1; one in front can go.
        """
        before, _, after = self.source_axes.partition("C")
        between = before and not set("YX") & set(before) and "Y" in after
        return self.source_axes if between else self.source_axes.replace("C", "")

    @property
    def geometry(self) -> dict[str, Any]:
        """Keyword arguments that place a layer of the result where its source lies.

        Axes of length 1 (see :meth:`placed`) are moved to the plane and the channel that
        the result is of.
        """
        axes = self.layer_axes
        leading = [axis for axis in axes if axis not in "CYX"]
        index: dict[str, float] = dict(zip(leading, self.position or (), strict=False))
        index |= {"C": self.channel}
        depth = self.source.shape[self.source_axes.index("Z")] if self.across_z else 1
        if self.across_z:
            index["Z"] = (depth - 1) / 2
        geometry = self._geometry(axes, index)
        if self.across_z:
            geometry["scale"][axes.index("Z")] *= depth
        return geometry

    def _geometry(self, axes: str, index: dict[str, float]) -> dict[str, Any]:
        if not self.source.geometry:
            return self._plain_geometry(axes, index)
        number = self.source_axes.index
        return layer_geometry(
            self.source.geometry,
            [number(axis) for axis in axes],
            {number(axis): place for axis, place in index.items() if axis in axes},
        )

    def _plain_geometry(self, axes: str, index: dict[str, float]) -> dict[str, Any]:
        sizes = dict(zip("YX", self.pixel_size or (), strict=False))
        if sizes and self.z_size is not None:
            sizes["Z"] = self.z_size
        return {
            "scale": np.array([sizes.get(axis, 1.0) for axis in axes]),
            "translate": np.array([index.get(axis, 0) * sizes.get(axis, 1.0) for axis in axes]),
            "units": tuple("um" if axis in sizes else "pixel" for axis in axes),
            "axis_labels": tuple(axes.lower()),
        }

    def placed(self, array: Any) -> Any:
        """Return one channel of the result with the axes of :attr:`layer_axes`."""
        if self.layer_axes == self.axes:
            return array
        # a zarr array cannot be given new axes
        array = array if isinstance(array, np.ndarray) else np.asarray(array)
        return array[tuple(slice(None) if a in self.axes else np.newaxis for a in self.layer_axes)]
