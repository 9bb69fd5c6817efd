"""The part of a plane that a network has to see for what lies in a box."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.inference.geometry import Geometry

__all__ = ["box_around"]

_SPLINE = 8  # px: as far as a cubic spline, which resamples the result, feels the end of a part


def box_around(
    box: tuple[slice, slice],
    plane: tuple[int, int],
    shape: tuple[int, int],
    geometry: Geometry,
    diameter: float = 0.0,
) -> tuple[slice, slice]:
    """Return rows and columns around a box, on which a network gives what it does on the whole.

    Parameters
    ----------
    box
        Rows and columns of the plane.
    plane
        Shape of the plane.
    shape
        Shape of the plane as the network sees it: the result is of this one.
    geometry
        Of the network: its halo is added, and the part begins and ends on the grids of its stride
        that begin at either end of the plane: views of it are flipped.
    diameter
        Of the objects, in px of the network: as much is added, too, so that objects at the
        border of the box are separated as whole ones. Default: 0.
    """
    margin = math.ceil(diameter) + (_SPLINE if plane != shape else 0)
    found = []
    for part, size, seen in zip(box, plane, shape, strict=True):
        zoom, stride = seen / size, geometry.stride
        low, high = part.start * zoom - margin, part.stop * zoom + margin
        # on the grid of the stride, from either end: from there the halo suffices
        start = min(_down(low, stride), seen - _up(seen - low, stride)) - geometry.halo
        stop = max(_up(high, stride), seen - _down(seen - high, stride)) + geometry.halo
        beyond = _down(seen - stop, stride)
        found.append(slice(max(_down(start, stride), 0), seen - max(beyond, 0)))
    return found[0], found[1]


def _down(value: float, step: int) -> int:
    return math.floor(value / step) * step


def _up(value: float, step: int) -> int:
    return math.ceil(value / step) * step
