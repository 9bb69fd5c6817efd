"""Pixel size of a TIFF, from the metadata of its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .units import PixelSize, pixel_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .ome import OmeDescription

__all__ = ["tiff_pixel_size"]

_CENTIMETRE = 3
_MPP = re.compile(r"\bMPP\s*=\s*([^|\s]+)")


def tiff_pixel_size(
    file: Any, image: Any, ome: OmeDescription, number: int, count: int
) -> PixelSize:
    """Return the pixel size of an image of a TIFF.

    Parameters
    ----------
    file
        tifffile's open file.
    image
        The series in it.
    ome
        The file's OME description; empty if it has none.
    number, count
        Number of the series, and number of all.
    """
    if ome.pixels:
        own = ome.pixels[number] if len(ome.pixels) == count else ome.pixels[0]
        return _named_size(own)
    if file.is_shaped and (every := file.shaped_metadata):  # as `write_tiff` names them
        return _named_size(every[number] if len(every) == count else every[0])
    if file.is_imagej:
        return _imagej_size(file)
    if file.is_lsm:
        found = file.lsm_metadata or {}
        return pixel_size(*((found.get(f"VoxelSize{axis}"), "m") for axis in "YXZ"))
    if file.is_stk:
        found = file.stk_metadata or {}
        unit = found.get("CalibrationUnits")
        return pixel_size((found.get("YCalibration"), unit), (found.get("XCalibration"), unit))
    if file.is_svs:
        mpp = _MPP.search(file.pages[0].description)
        value = mpp and mpp.group(1)
        return pixel_size((value, "µm"), (value, "µm"))
    if file.is_qpi:
        page = image.keyframe
        unit = page.tags.get("ResolutionUnit")
        if unit is not None and int(unit.value) == _CENTIMETRE:
            return pixel_size(*((_per_unit(page, axis), "cm") for axis in "YX"))
    return PixelSize()


def _named_size(attributes: Mapping[str, Any]) -> PixelSize:
    names = (f"PhysicalSize{axis}" for axis in "YXZ")
    return pixel_size(*((attributes.get(n), attributes.get(f"{n}Unit", "µm")) for n in names))


def _imagej_size(file: Any) -> PixelSize:
    found = file.imagej_metadata or {}
    unit, page = found.get("unit", ""), file.pages[0]
    y = _per_unit(page, "Y"), found.get("yunit") or unit
    z = found.get("spacing"), found.get("zunit") or unit
    return pixel_size(y, (_per_unit(page, "X"), unit), z)


def _per_unit(page: Any, axis: str) -> float | None:
    """Return the length of a pixel in the unit of a tag that counts pixels in a unit."""
    tag = page.tags.get(f"{axis}Resolution")
    if tag is None or not tag.value[0]:
        return None
    return float(tag.value[1]) / float(tag.value[0])
