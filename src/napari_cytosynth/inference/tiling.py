"""Tiling of a plane without seams.

A plane is padded at its lower and right border, by reflection, to multiples of the
network's total stride. Each tile has a core, whose result is kept, and around it a halo of
real neighbouring pixels; there is no halo beyond the border, where the network meets the
same zeros in a tile as in the whole plane. Cores begin at multiples of the stride.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .geometry import round_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .geometry import Geometry

__all__ = ["Span", "Tile", "core_of", "place_of", "plan_tiles", "read_tile", "split_tile"]


class Span(NamedTuple):
    """One axis of a tile, in px of the padded plane."""

    start: int
    stop: int

    def with_halo(self, halo: int, padded: int) -> Span:
        """Return the pixels to read: the core and its halo, within the padded plane."""
        return Span(max(0, self.start - halo), min(padded, self.stop + halo))


class Tile(NamedTuple):
    """The core of a tile."""

    y: Span
    x: Span


def plan_tiles(shape: tuple[int, int], geometry: Geometry, tile_size: int) -> list[Tile]:
    """Cut a plane of `shape` (Y, X) into tiles, row by row.

    Parameters
    ----------
    shape
        Size of the plane in px, before padding.
    geometry
        The network's geometry.
    tile_size
        Size in px of an inner core, a multiple of the stride. No tile is read that is
        larger than such a core with its halo on both sides; cores at the border, which
        need less halo, may therefore be larger.
    """
    rows, columns = (
        _cut(Span(0, round_up(size, geometry.stride)), size, geometry, tile_size) for size in shape
    )
    return [Tile(y, x) for y, x in product(rows, columns)]


def split_tile(
    tile: Tile, shape: tuple[int, int], geometry: Geometry, tile_size: int
) -> list[Tile]:
    """Cut one planned tile again, for a smaller `tile_size`."""
    rows, columns = (
        _cut(span, size, geometry, tile_size) for span, size in zip(tile, shape, strict=True)
    )
    return [Tile(y, x) for y, x in product(rows, columns)]


def read_tile(
    plane: Any,
    tile: Tile,
    geometry: Geometry,
    transform: Callable[[NDArray[Any]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Read the pixels of a tile with its halo, transform them and pad them.

    Parameters
    ----------
    plane
        Array-like (C, Y, X), of which only the needed part is sliced.
    tile
        One of :func:`plan_tiles`.
    geometry
        The network's geometry.
    transform
        Applied to the part (C, h, w) before the padding.

    Returns
    -------
    ndarray
        float32 (C, y, x); y and x are multiples of the stride.
    """
    rows, columns = (
        _reflect(span.with_halo(geometry.halo, round_up(size, geometry.stride)), size)
        for span, size in zip(tile, plane.shape[1:], strict=True)
    )
    top, left = int(rows.min()), int(columns.min())
    part = plane[:, top : int(rows.max()) + 1, left : int(columns.max()) + 1]
    pixels = transform(np.asarray(part))
    if all(int(axis[-1] - axis[0]) == len(axis) - 1 for axis in (rows, columns)):
        return pixels  # nothing to reflect
    return pixels[:, (rows - top)[:, None], columns - left]


def place_of(tile: Tile, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return where the core of a tile lies in a plane of `shape` (Y, X), without its padding."""
    rows, columns = (
        slice(span.start, min(span.stop, size)) for span, size in zip(tile, shape, strict=True)
    )
    return rows, columns


def core_of(tile: Tile, shape: tuple[int, int], halo: int) -> tuple[slice, slice]:
    """Return where the core lies in the result of a tile that was run with a halo."""
    starts = [min(halo, span.start) for span in tile]
    rows, columns = (
        slice(start, start + place.stop - place.start)
        for start, place in zip(starts, place_of(tile, shape), strict=True)
    )
    return rows, columns


def _cut(whole: Span, size: int, geometry: Geometry, tile_size: int) -> list[Span]:
    """Cut a span into the fewest equal parts that are small enough to read."""
    stride, halo = geometry.stride, geometry.halo
    limit, padded = tile_size + 2 * halo, round_up(size, stride)
    blocks = (whole.stop - whole.start) // stride
    for parts in range(1, blocks + 1):
        bounds = [whole.start + blocks * part // parts * stride for part in range(parts + 1)]
        spans = [Span(*pair) for pair in pairwise(bounds)]
        reads = (span.with_halo(halo, padded) for span in spans)
        if all(read.stop - read.start <= limit for read in reads):
            return spans
    return spans


def _reflect(span: Span, size: int) -> NDArray[np.intp]:
    """Return the pixel of an axis of `size` px that stands at each position of `span`.

    Reflection without repeating the border pixel, again and again where the axis is shorter
    than the padding: as numpy's, and for a size of 1 too.
    """
    period = max(2 * (size - 1), 1)
    positions = np.arange(span.start, span.stop) % period
    return np.minimum(positions, period - positions) if size > 1 else np.zeros_like(positions)
