"""The part of a plane that a staining network sees, between the image's grid and the network's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.resample import back_to, to_shape

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.common.region import RegionMasks

    Floats = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]

__all__ = ["PartOfPlane"]


@dataclass(frozen=True, eq=False)
class PartOfPlane:
    """The part of a plane around a region, or all of it; outside of a region nothing is known.

    Attributes
    ----------
    place
        Index of the plane in the result.
    plane_shape
        Rows and columns of the plane.
    shape
        The same on the network's grid; None without resampling.
    box
        Rows and columns of the part on the network's grid; None (default) for all.
    region
        To which the result is limited. Default: None.
    """

    place: tuple[int, ...]
    plane_shape: tuple[int, int]
    shape: tuple[int, int] | None
    box: tuple[slice, slice] | None = None
    region: RegionMasks | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels of the part on the network's grid."""
        sides = self.shape or self.plane_shape
        rows, columns = sides if self.box is None else [one.stop - one.start for one in self.box]
        return rows * columns

    def cut(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the part (…, y, x) of a plane (…, Y, X) on the network's grid."""
        return plane if self.box is None else np.ascontiguousarray(plane[..., *self.box])

    def _whole(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a plane on the network's grid with the part in it, and 0 around it."""
        if self.box is None:
            return part
        whole = np.zeros((*part.shape[:-2], *(self.shape or self.plane_shape)), part.dtype)
        whole[..., *self.box] = part
        return whole

    def on_grid(self, part: Floats) -> Floats:
        """Return a result (C, y, x) of the part on the image's own grid, NaN outside a region."""
        found = self._on_grid(part)
        if self.region is None:
            return found
        return np.where(self.region.mask(self.place), found, np.float32(np.nan))

    def _on_grid(self, part: Floats) -> Floats:
        whole = self._whole(part)
        return whole if self.shape is None else back_to(whole, self.plane_shape)

    def as_shown(self, part: Floats) -> Floats:
        """Return a result (C, y, x) of the part as the network would see it on the image's grid."""
        if self.shape is None:
            return part
        found: Floats = self.cut(to_shape(self._on_grid(part), self.shape))
        return found

    def labels_on_grid(self, labels: Labels) -> Labels:
        """Return labels (y, x) of the part on the image's own grid, 0 outside a region."""
        found = _nearest(self._whole(labels), self.plane_shape)
        return found if self.region is None else found * self.region.mask(self.place)

    def labels_inside(self, labels: Labels) -> Labels:
        """Return labels (y, x) of the part, 0 where they lie outside a region."""
        if self.region is None:
            return labels
        mask = _nearest(self.region.mask(self.place), self.shape or self.plane_shape)
        found: Labels = labels * self.cut(mask)
        return found

    def at_border(self, labels: Labels) -> npt.NDArray[np.integer]:
        """Return the labels (Y, X) on the image's grid that touch the border of a region."""
        if self.region is None:
            return np.zeros(0, np.int32)
        return self.region.touched(self.place, labels)


def _nearest(values: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return an array (Y, X) of another shape: each pixel takes the nearest one's value."""
    if values.shape == shape:
        return values
    rows, columns = (
        np.minimum(((np.arange(size) + 0.5) * n / size).astype(int), n - 1)
        for size, n in zip(shape, values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]
