"""Blocks of a plane, each with as much around it as its objects depend on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BLOCK", "HUGE", "Block", "grown", "pixels_of_single_plane", "plan_blocks"]

BLOCK = 2048
"""Side of a block in px: whole chunks of the files."""
HUGE = 8192 * 8192
"""Pixels of a plane beyond which it is segmented in blocks, also into a folder."""


class Block(NamedTuple):
    """A block of a plane.

    Attributes
    ----------
    rows, columns
        Its own pixels; those of all blocks together are the plane.
    window
        Rows and columns that are read for it.
    """

    rows: slice
    columns: slice
    window: tuple[slice, slice]

    def inside(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return where a part of the plane lies in the window."""
        top, left = (one.start for one in self.window)
        return (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )

    @property
    def own(self) -> tuple[slice, slice]:
        """Where its own pixels lie in the window."""
        return self.inside(self.rows, self.columns)


def pixels_of_single_plane(shape: Sequence[int], axes: str) -> int:
    """Return the pixels of an image's only plane; 0 where it has several, or other axes.

    Parameters
    ----------
    shape
        Of the image.
    axes
        One letter for each axis.
    """
    if len(axes) != len(shape) or not {"Y", "X"} <= set(axes):
        return 0
    sizes = dict(zip(axes, shape, strict=True))
    planes = math.prod(size for axis, size in sizes.items() if axis not in "CYX")
    return sizes["Y"] * sizes["X"] if planes == 1 else 0


def grown(
    window: tuple[slice, slice], shape: tuple[int, int], margin: int, align: int = 1
) -> tuple[slice, slice]:
    """Return rows and columns with a margin around them, within a plane of a shape.

    They begin at multiples of `align`, and end there or with the plane. Default: 1.
    """
    high, wide = (
        slice(
            max(one.start - margin, 0) // align * align,
            min(-(-(one.stop + margin) // align) * align, size),
        )
        for one, size in zip(window, shape, strict=True)
    )
    return high, wide


def plan_blocks(
    shape: tuple[int, int],
    margin: int = 0,
    align: int = 1,
    block: int | None = None,
    unit: int = 1,
) -> Iterator[Block]:
    """Yield the blocks of a plane, row by row.

    Parameters
    ----------
    shape
        Of the plane, (Y, X).
    margin
        Pixels around a block that are read with it. Default: 0.
    align
        Windows begin at multiples of this. Default: 1.
    block
        Side of a block in px. Default: None, 2048.
    unit
        The side is made a multiple of this. Default: 1.
    """
    block = -(-(block or BLOCK) // unit) * unit
    for top in range(0, shape[0], block):
        rows = slice(top, min(top + block, shape[0]))
        for left in range(0, shape[1], block):
            columns = slice(left, min(left + block, shape[1]))
            yield Block(rows, columns, grown((rows, columns), shape, margin, align))
