"""Readers of labels, plane by plane: of all of them, or of those in a region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import PlaneReader
from napari_cytosynth.tasks.common.region import RegionMasks

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.common.region import Region

__all__ = ["LabelReader", "RegionalReader", "regional_reader"]


@dataclass(frozen=True, eq=False)
class LabelReader(PlaneReader):
    """Reader of planes of labels, which refuses those that no table can hold."""

    # the last plane: shapes, neighbours, parents and the border of a region look at it in turn
    _kept: dict[tuple[int, ...], npt.NDArray[Any]] = field(default_factory=dict, init=False)

    def read(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return one plane as (1, Y, X)."""
        if index not in self._kept:
            self._kept.clear()
            self._kept[index] = self._checked(index)
        return self._kept[index]

    def _checked(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        plane = super().read(index)
        if plane.dtype == np.uint64 and plane.max(initial=0) > np.iinfo(np.int64).max:
            raise InputError(
                "Some labels are larger than 9,223,372,036,854,775,807, more than a table can "
                "hold. Number them anew, for example with "
                "skimage.segmentation.relabel_sequential."
            )
        return plane


@dataclass(frozen=True, eq=False)
class RegionalReader(LabelReader):
    """Reader of labels that are 0 outside of a region.

    Attributes
    ----------
    masks
        Which pixels lie in it, and what becomes of objects at its border.
    """

    masks: RegionMasks = field(kw_only=True)

    def _checked(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        plane = super()._checked(index)
        found: npt.NDArray[Any] = np.where(self.masks.mask(index), plane, plane.dtype.type(0))
        return found

    def at_border(self, table: pd.DataFrame, *, volumes: bool) -> pd.DataFrame:
        """Return the table as its objects at the border are to be treated: all, without, marked.

        Parameters
        ----------
        table
            Rows with ``label``, and their places along the axes that count planes.
        volumes
            Objects go through the planes along Z, and are at the border if they are in any.
        """
        if self.masks.at_border == "keep":
            return table
        letters = [axis.lower() for axis in self.leading_axes]
        parts = []
        for index in self.indices():
            touched = pd.DataFrame({"label": self.masks.touched(index, self.read(index)[0])})
            parts.append(touched.assign(**dict(zip(letters, index, strict=True))))
        keys = ["label", *(axis for axis in letters if axis != "z" or not volumes)]
        cut = pd.MultiIndex.from_frame(pd.concat(parts)[keys])
        marked = pd.MultiIndex.from_frame(table[keys]).isin(cut)
        if self.masks.drops:
            return table[~marked].reset_index(drop=True)
        return table.assign(at_region_border=marked)


def regional_reader(reader: LabelReader, region: Region, at_border: str) -> RegionalReader:
    """Return a reader of the labels in a region.

    Raises
    ------
    InputError
        If no pixel lies in it.
    """
    masks = RegionMasks(region, reader.plane_shape, at_border=at_border)
    masks.check(reader.indices())
    return RegionalReader(reader.data, reader.axes, masks=masks)
