"""Pixel sizes of metadata, in micrometres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["PixelSize", "axis_lengths", "pixel_size", "unit_in_um"]

_UNITS_IN_UM = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "\\u00B5m", "\\u03BCm"), 1.0),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 1e4),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e6),
    **dict.fromkeys(("Å", "Å", "angstrom", "angstroms"), 1e-4),
    **dict.fromkeys(("in", "inch", "inches"), 25_400.0),
    **{"pm": 1e-6, "picometer": 1e-6, "dm": 1e5, "decimeter": 1e5},
}


@dataclass(frozen=True)
class PixelSize:
    """A pixel size as it was found, and what could not be understood about it.

    Attributes
    ----------
    um
        In µm, (Y, X) where these differ; None if it is not known.
    message
        A sentence about a size that is no number; empty by default.
    z_um
        Distance of planes along Z in µm. Default: None, not known.
    """

    um: float | tuple[float, float] | None = None
    message: str = ""
    z_um: float | None = None


def unit_in_um(unit: object) -> float | None:
    """Return how many µm a unit is; None if it is not a known unit of length."""
    text = str(unit or "").strip()
    found = _UNITS_IN_UM.get(text)
    # short units differ by their capitals: Mm is no mm
    return _UNITS_IN_UM.get(text.lower()) if found is None and len(text) > 4 else found


def axis_lengths(
    letters: str | None, axes: list[Any] | None, scale: list[float]
) -> dict[str, float]:
    """Return the size of a pixel in µm along each axis of an OME-Zarr that has one.

    Parameters
    ----------
    letters
        One letter for each axis; None if these are not known.
    axes
        With a ``unit`` each; None if these are not known.
    scale
        In the units of the axes.
    """
    if letters is None or axes is None or len(scale) != len(letters):
        return {}
    found = {
        letter: size * (unit_in_um(axis.unit) or 0)
        for letter, axis, size in zip(letters, axes, scale, strict=True)
    }
    return {letter: size for letter, size in found.items() if math.isfinite(size) and size > 0}


def pixel_size(
    y: tuple[Any, Any], x: tuple[Any, Any], z: tuple[Any, Any] = (None, None)
) -> PixelSize:
    """Return the pixel size from a (value, unit) of each axis.

    A value of None, of 0, or in an unknown unit (such as ``pixel``) is not known.
    """
    sizes, wrong = [], []
    for value, unit in (y, x, z):
        scale = unit_in_um(unit)
        try:
            number = None if value is None or scale is None else float(value) * scale
        except (TypeError, ValueError):
            wrong.append(str(value)[:40])
            number = None
        sizes.append(number if number and math.isfinite(number) and number > 0 else None)
    message = ""
    if wrong:
        message = (
            f"The file gives the pixel size as “{wrong[0]}”, which is not a number (a decimal "
            "point is needed); the size is taken as unknown. Give the pixel size yourself."
        )
    height, width, depth = sizes
    if height is None or width is None:
        return PixelSize(width or height, message, depth)
    if math.isclose(height, width, rel_tol=1e-6):
        return PixelSize(width, message, depth)
    return PixelSize((height, width), message, depth)
