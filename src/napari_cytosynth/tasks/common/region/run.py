"""A run over the planes of an image that a region may limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.planes import PlaneRun

from .box import box_around
from .masks import RegionMasks
from .shapes import find_region

if TYPE_CHECKING:
    from napari_cytosynth.inference.geometry import Geometry

    Box = tuple[slice, slice]

__all__ = ["RegionalRun"]


@dataclass(eq=False)
class RegionalRun(PlaneRun):
    """A run over the planes of an image, or over the part around a region."""

    region: RegionMasks | None = None
    """To which the result is limited."""

    def limit_to(self, region: Any, at_border: str) -> None:
        """Run only inside of a region, as `segment` takes it; None is the whole image."""
        if region is None:
            return
        # what takes its planes along Z has none there: a shape holds in all of Z
        across = "" if "Z" in self.reader.leading_axes else "Z"
        found = find_region(region, self.source, self.reader.axes, across)
        self.region = RegionMasks(found, self.reader.plane_shape, self.position, at_border)
        self.check_region(self.region)

    def check_region(self, region: RegionMasks) -> None:
        """Check that the region has pixels in the planes of the run."""
        self.add_messages(*region.check(self.indices))

    def misses(self, index: tuple[int, ...]) -> bool:
        """Return whether a plane has no pixel in the region."""
        return self.region is not None and self.region.box(self.place(index)) is None

    def box_in(
        self,
        index: tuple[int, ...],
        shape: tuple[int, int],
        geometry: Geometry,
        diameter: float = 0.0,
    ) -> Box | None:
        """Return what the network has to see of a plane of some size; None for all of it.

        Parameters
        ----------
        index
            Of the plane.
        shape
            Of the plane as the network sees it.
        geometry
            Of the network.
        diameter
            Of the objects in px of the network, where the model's card has none. Default: 0.
        """
        own = None if self.region is None else self.region.box(self.place(index))
        if own is None:
            return None
        diameter = self.model.card.inference.diameter or diameter
        return box_around(own, self.reader.plane_shape, shape, geometry, diameter)

    def region_parameters(self) -> dict[str, Any]:
        """Return the arguments that limit the run to the same region; none without."""
        if self.region is None:
            return {}
        return {"region": self.region.region.record(), "at_border": self.region.at_border}
