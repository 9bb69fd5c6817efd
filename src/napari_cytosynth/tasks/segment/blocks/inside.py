"""A region of a plane of any size: its pixels are known block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError

from .grid import grown, plan_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_cytosynth.tasks.common.region import RegionMasks

    from .grid import Block
    from .seams import JoinedObjects

    Mask = npt.NDArray[np.bool_]
    Window = tuple[slice, slice]

__all__ = ["InsidePlane", "Limited"]

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class InsidePlane:
    """The pixels of a plane that lie in a region.

    Attributes
    ----------
    masks
        The region in the plane, whose whole mask is never made.
    """

    masks: RegionMasks

    @classmethod
    def of(cls, masks: RegionMasks) -> InsidePlane:
        """Return the pixels of a region that has some.

        Raises
        ------
        InputError
            If it has none.
        """
        found = cls(masks)
        if not found.pixels():
            name = f" “{masks.region.name}”" if masks.region.name else ""
            raise InputError(
                f"No pixel of the image lies in the region{name}: draw its shapes over the image, "
                "or choose no region."
            )
        return found

    @property
    def _shape(self) -> tuple[int, int]:
        return self.masks.shape

    def mask(self, window: Window) -> Mask:
        """Return which pixels of a window lie in the region."""
        return self.masks.part((), window)

    def touches(self, window: Window, margin: int = 0) -> bool:
        """Return whether there is any of it in a window, or as near to it."""
        return bool(self.mask(grown(window, self._shape, margin)).any())

    def pixels(self) -> int:
        """Return their number."""
        blocks = plan_blocks(self._shape)
        return sum(int(np.count_nonzero(self.mask(_own(block)))) for block in blocks)

    def edge(self, window: Window, *, sides: bool = False) -> Mask:
        """Return which pixels of a window lie in it and touch one outside.

        The border of the plane is none of the region.

        Parameters
        ----------
        window
            Rows and columns.
        sides
            Touch with a side, not with a corner only. Default: False.
        """
        around = grown(window, self._shape, 1)
        mask = self.mask(around)
        inner = ndimage.binary_erosion(mask, None if sides else _EIGHT, border_value=1)
        own = tuple(
            slice(one.start - wide.start, one.stop - wide.start)
            for one, wide in zip(window, around, strict=True)
        )
        found: Mask = (mask & ~inner)[own]
        return found

    def cut(self, labels: Any, found: JoinedObjects, *, sides: bool = False) -> Mask:
        """Return which objects of a plane touch the border of the region.

        Parameters
        ----------
        labels
            Array-like (Y, X) of their numbers in blocks.
        found
            The objects.
        sides
            As for :meth:`edge`. Default: False.
        """
        touched = np.zeros(len(found.area) + 1, bool)
        for block in plan_blocks(labels.shape):
            edge = self.edge(_own(block), sides=sides)
            if edge.any():
                own = np.unique(np.asarray(labels[_own(block)])[edge])
                touched[found.number[own]] = True
        return touched[1:]

    def clear(self, array: Any) -> None:
        """Set an array (Y, X) to 0 outside, where it was written."""
        for block in plan_blocks(array.shape):
            own = np.asarray(array[_own(block)])
            if own.any():
                array[_own(block)] = own * self.mask(_own(block))

    def near(self, margin: int) -> Callable[[slice, slice], bool]:
        """Return the function that tells whether rows and columns lie that near to the region."""
        return lambda rows, columns: self.touches((rows, columns), margin)


@dataclass(frozen=True, eq=False)
class Limited:
    """An array (Y, X) that is read as 0 outside of a region.

    Attributes
    ----------
    array
        The array.
    inside
        The region.
    """

    array: Any
    inside: InsidePlane

    @property
    def shape(self) -> tuple[int, int]:
        """Of the plane."""
        rows, columns = self.array.shape
        return rows, columns

    def __getitem__(self, window: Window) -> npt.NDArray[Any]:
        """Return a window."""
        part = np.asarray(self.array[window])
        found: npt.NDArray[Any] = part * self.inside.mask(window)
        return found


def _own(block: Block) -> Window:
    return block.rows, block.columns
