"""Readers of labels, plane by plane: of all of them, or of those in a region."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import LABELS_BELOW_0, InputError
from napari_cytosynth.tasks.common.axes import PlaneReader, place_of_z
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.common.region import Region, RegionMasks

from .images import labels_over

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.common.layers import Source

__all__ = [
    "LabelReader",
    "RegionalReader",
    "labels_in_region",
    "marked_when_made",
    "regional_reader",
]


@dataclass(frozen=True, eq=False)
class LabelReader(PlaneReader):
    """Reader of planes of labels, which refuses those that are no objects or fit in no table."""

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
        if plane.dtype.kind == "i" and plane.min(initial=0) < 0:
            raise InputError(LABELS_BELOW_0)
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
        return self.limited(index, super()._checked(index))

    def limited(self, index: tuple[int, ...], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a plane (Y, X) of other labels that are 0 outside of the region."""
        found: npt.NDArray[Any] = np.where(self.masks.mask(index), other, other.dtype.type(0))
        return found

    @property
    def along_z(self) -> tuple[int, int] | None:
        """The place of Z in the index of a plane, and its number of planes; None without it."""
        return place_of_z(self.leading_axes, self.leading_shape)

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
        parts, along = [], self.along_z if volumes else None
        for index in self.indices():
            touched = pd.DataFrame({"label": self.masks.touched(index, self.read(index)[0], along)})
            parts.append(touched.assign(**dict(zip(letters, index, strict=True))))
        keys = ["label", *(axis for axis in letters if axis != "z" or not volumes)]
        cut = pd.MultiIndex.from_frame(pd.concat(parts)[keys])
        marked = pd.MultiIndex.from_frame(table[keys]).isin(cut)
        if self.masks.drops:
            return table[~marked].reset_index(drop=True)
        return table.assign(at_region_border=marked)


def marked_when_made(labels: Any, reader: LabelReader) -> RegionalReader | None:
    """Return a reader of the region whose border cut labels when they were made, and marked them.

    Parameters
    ----------
    labels
        What is measured: a layer's record tells.
    reader
        Its reader.

    Returns
    -------
    RegionalReader or None
        None of labels that were made without a region, or whose cut objects are not marked.
    """
    record = getattr(labels, "metadata", {}).get(KEY, {})
    made = record.get("parameters", {})
    if made.get("at_border") != "mark" or not made.get("region"):
        return None
    try:
        region = Region.from_record(made["region"])
    except InputError:  # a record that someone has changed
        return None
    if made.get("planes") is not None:  # of a single plane, which has no index here
        held = [area for area in region.areas if area.holds_in(tuple(made["planes"]))]
        region = Region(tuple(replace(area, plane=()) for area in held), region.name)
    masks = RegionMasks(region, reader.plane_shape, at_border="mark")
    return RegionalReader(reader.data, reader.axes, masks=masks)


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


def labels_in_region(other: Any, labels: Source, axes: str, region: Region) -> pd.DataFrame:
    """Return which other labels have a pixel in a region.

    Parameters
    ----------
    other
        Array or layer of labels; a layer counts where it lies.
    labels, axes
        The objects in whose pixels the region is, and the letters of their axes.
    region
        The region.

    Returns
    -------
    DataFrame
        ``label``, and the place along each axis that counts planes (``t``, ``z`` …), with a row for
        each plane that one is in.
    """
    reader = regional_reader(LabelReader(labels.data, axes), region, "keep")
    over = labels_over(other, "parents", labels, axes)
    letters, parts = reader.leading_axes.lower(), []
    for index in reader.indices():
        plane = np.nan_to_num(over.read(index)[0]).astype(np.int64)
        here = np.unique(reader.limited(index, plane))
        table = pd.DataFrame({"label": here[here > 0]})
        parts.append(table.assign(**dict(zip(letters, index, strict=True))))
    return pd.concat(parts, ignore_index=True)
