"""The pixels of a region in each plane of an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .fill import fill_polygon

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from .shapes import Region

    Mask = npt.NDArray[np.bool_]

__all__ = ["AT_BORDER", "RegionMasks", "bounding_box"]

AT_BORDER = ("keep", "drop", "mark")
"""What becomes of objects at the border of a region."""


@dataclass(eq=False)
class RegionMasks:
    """Which pixels lie in a region: those whose centres are in one of its shapes.

    Attributes
    ----------
    region
        The shapes.
    shape
        Rows and columns of a plane.
    position
        Index of the plane that ``()`` stands for, of a result of a single plane. Default: ().
    at_border
        "keep", "drop" or "mark". Default: "keep".
    """

    region: Region
    shape: tuple[int, int]
    position: tuple[int, ...] = ()
    at_border: str = "keep"
    # by the shapes that hold in a plane: of most stacks a single one
    _masks: dict[tuple[int, ...], Mask] = field(default_factory=dict)
    _edges: dict[tuple[tuple[int, ...], ...], npt.NDArray[np.intp]] = field(default_factory=dict)

    @property
    def drops(self) -> bool:
        """Whether objects at the border of the region are left out."""
        return self.at_border == "drop"

    def _shapes_in(self, plane: tuple[int, ...]) -> tuple[int, ...]:
        at = plane or self.position
        return tuple(n for n, area in enumerate(self.region.areas) if area.holds_in(at))

    def mask(self, plane: tuple[int, ...] = ()) -> Mask:
        """Return which pixels (Y, X) of a plane lie in the region."""
        shapes = self._shapes_in(plane)
        if shapes not in self._masks:
            self._masks[shapes] = self.part(
                plane, (slice(0, self.shape[0]), slice(0, self.shape[1]))
            )
        return self._masks[shapes]

    def part(self, plane: tuple[int, ...], window: tuple[slice, slice]) -> Mask:
        """Return which pixels of a part of a plane, rows and columns, lie in the region."""
        rows, columns = window
        found = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        for number in self._shapes_in(plane):
            fill_polygon(found, self.region.areas[number].rings, (rows.start, columns.start))
        return found

    def edge(
        self, plane: tuple[int, ...] = (), along: tuple[int, int] | None = None
    ) -> npt.NDArray[np.intp]:
        """Return the pixels of a plane (flat indices) that touch one outside of the region.

        The border of the image is none of the region.

        Parameters
        ----------
        plane
            Index of the plane. Default: ().
        along
            Where objects go on through planes: the place of that axis in `plane`, and its number
            of planes. A pixel outside may then lie in the plane before or after, too. Default:
            None, each plane for itself.
        """
        beside = {} if along is None else self._planes_beside(plane, *along)
        shapes = (self._shapes_in(plane), *beside)
        if shapes not in self._edges:
            from scipy.ndimage import binary_erosion

            mask = self.mask(plane)
            inner = binary_erosion(mask, np.ones((3, 3)), border_value=1)
            for other in beside.values():
                inner &= self.mask(other)
            self._edges[shapes] = np.flatnonzero(mask & ~inner)
        return self._edges[shapes]

    def _planes_beside(
        self, plane: tuple[int, ...], axis: int, count: int
    ) -> dict[tuple[int, ...], tuple[int, ...]]:
        """Return the planes before and after one where other shapes hold, by these shapes."""
        steps = (at for at in (plane[axis] - 1, plane[axis] + 1) if 0 <= at < count)
        planes = [(*plane[:axis], at, *plane[axis + 1 :]) for at in steps]
        own = self._shapes_in(plane)
        return {self._shapes_in(at): at for at in planes if self._shapes_in(at) != own}

    def box(self, plane: tuple[int, ...] = ()) -> tuple[slice, slice] | None:
        """Return the rows and columns around the region in a plane; None if it has no pixel."""
        return bounding_box(self.mask(plane))

    def touched(
        self,
        plane: tuple[int, ...],
        labels: npt.NDArray[Any],
        along: tuple[int, int] | None = None,
    ) -> npt.NDArray[Any]:
        """Return the labels (Y, X) of a plane that touch the border of the region, ascending.

        `along` is as for :meth:`edge`.
        """
        found = np.unique(labels.ravel()[self.edge(plane, along)])
        return found[found > 0]

    def check(self, planes: Iterable[tuple[int, ...]]) -> list[str]:
        """Return what the user ought to know of the region in these planes.

        Raises
        ------
        InputError
            If none of their pixels lies in it.
        """
        listed = list(planes)
        empty = sum(self.box(plane) is None for plane in listed)
        called = f" “{self.region.name}”" if self.region.name else ""
        if empty == len(listed):
            where = "this plane of the image" if len(listed) == 1 else "the image"
            raise InputError(
                f"No pixel of {where} lies in the region{called}: draw its shapes over the image, "
                "or choose no region."
            )
        if empty:
            return [
                f"The region{called} has no shape in {empty} of {len(listed)} planes: there is "
                "nothing in these."
            ]
        if self.region.drawn_in_one_plane and len(listed) > 1:
            return [f"The region{called} was drawn in one plane and holds in all {len(listed)}."]
        return []


def bounding_box(mask: Mask) -> tuple[slice, slice] | None:
    """Return the rows and columns around the pixels of a mask (Y, X); None if it has none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
