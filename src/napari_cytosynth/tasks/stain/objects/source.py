"""What the search for objects takes of a virtual stain and of the run that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.inference.dropout.sampler import Sampler
    from napari_cytosynth.tasks.common.axes import PlaneReader
    from napari_cytosynth.tasks.common.layers import Source
    from napari_cytosynth.tasks.common.placement import Placement
    from napari_cytosynth.tasks.common.region import RegionMasks
    from napari_cytosynth.tasks.stain.part import PartOfPlane
    from napari_cytosynth.zoo.loading import Model

__all__ = ["StainRun", "VirtualStain"]


class StainRun(Protocol):
    """A run of a staining model, whose network can be used again."""

    model: Model
    sampler: Sampler
    reader: PlaneReader
    indices: list[tuple[int, ...]]
    axes: str
    shape: tuple[int, int] | None

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Shape of one stain of the result."""

    def place(self, index: tuple[int, ...], /) -> tuple[int, ...]:
        """Return the index of a plane in the result."""

    def scaled(self, plane: NDArray[Any], /) -> NDArray[np.float32]:
        """Return a plane (C, Y, X) as the network sees it."""

    def misses(self, index: tuple[int, ...], /) -> bool:
        """Return whether a plane has no pixel in the region that limits the run."""

    def part(self, index: tuple[int, ...], /) -> PartOfPlane:
        """Return the part of a plane that the network has to see."""

    def stains_seen(self, part: PartOfPlane, mean: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Return the stains (C, y, x) of a part on the network's grid."""


class VirtualStain(Protocol):
    """A virtual stain; the attributes are those of :class:`~..result.Staining`."""

    mean: NDArray[np.float32]
    channels: tuple[str, ...]
    axes: str
    pixel_size: tuple[float, ...] | None
    z_size: float | None
    source: Source
    provenance: dict[str, Any]
    region: RegionMasks | None
    run: StainRun | None

    @property
    def placement(self) -> Placement:
        """Axes and geometry of the result's layers."""
