"""Connected components of a plane at every grey level, by the order in which basins merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from .basins import ascending_basins, highest_saddles
from .merging import merge_order

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = ["Components", "MergeTree"]

_PAINTED = 1 << 15  # pixels at a time, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class Components:
    """Connected components of ``image >= level``, in no particular order.

    Attributes
    ----------
    level
        The level.
    areas
        Pixels of each.
    first
        First pixel of each, in raster order.
    border
        Whether a component touches the border of the plane.
    number
        (basins,): the component of a basin; anything, or -1, where no pixel is as high.
    pixels
        (basins,): pixels at or above the level in each basin.
    """

    level: int
    areas: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    border: npt.NDArray[np.bool_]
    number: npt.NDArray[np.intp]
    pixels: npt.NDArray[np.int32]

    def of_basins(self, values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the value of its component for each basin."""
        return np.append(values, np.int32(0))[self.number]


class MergeTree:
    """The connected components of a plane at every grey level.

    Basins of a plane merge as the level falls, and are one component from then on (merge tree:
    Carr, Snoeyink, Axen, Computational Geometry 24, 2003). In a row of the basins that follows
    this, the components of every level are runs. How many pixels of a basin are above a level, and
    which is the first, is known for some levels, and counted from the nearest.

    Parameters
    ----------
    image
        (Y, X), at most 4094, with at least one pixel.
    connectivity
        1 for four neighbours, 2 for eight.
    inverse_of
        Merge tree of ``constant - image``, whose order of the pixels is used. Default: None.
    """

    def __init__(
        self,
        image: npt.NDArray[np.uint16],
        connectivity: int,
        inverse_of: MergeTree | None = None,
    ) -> None:
        self._image = image
        basins, count = ascending_basins(image, connectivity)
        saddles = highest_saddles(image, basins, connectivity)
        order, self._joins = merge_order(*saddles, count)
        place = np.empty(count, np.intp)  # what indexing takes
        place[order] = np.arange(count)
        self._basins = place[basins.ravel()]
        if inverse_of is None:
            self._falling = np.argsort(image.ravel(), kind="stable")[::-1].astype(np.int32)
        else:
            self._falling = inverse_of._falling[::-1]
        self._basins_falling = self._basins[self._falling].astype(np.int32)
        self._sorted: tuple[npt.NDArray[np.integer], npt.NDArray[np.int32]] | None = None
        counts = np.bincount(image.ravel(), minlength=1)
        self._above = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
        edge = np.zeros(image.shape, bool)
        edge[[0, -1]] = edge[:, [0, -1]] = True
        self._edge = np.flatnonzero(edge)
        self._set_checkpoints(count)

    def _set_checkpoints(self, count: int) -> None:
        """Keep area and first pixel of each basin above some levels, in 4 bytes a pixel."""
        size = self._image.size
        steps = min(max(size // (2 * count), 2), 64)
        self._steps = [size * step // steps for step in range(steps + 1)]
        self._known = [(np.zeros(count, np.int32), np.full(count, size, np.int32))]
        for start, end in zip(self._steps[:-1], self._steps[1:], strict=True):
            self._known.append(self._with(*self._known[-1], slice(start, end)))

    def _with(
        self, areas: npt.NDArray[np.int32], first: npt.NDArray[np.int32], pixels: slice
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return areas and first pixels of the basins with some more of the pixels from above."""
        basins, first = self._basins_falling[pixels], first.copy()
        np.minimum.at(first, basins, self._falling[pixels])
        return areas + np.bincount(basins, minlength=len(areas)).astype(np.int32), first

    def at(self, level: int) -> Components:
        """Return the components of ``image >= level``."""
        end = int(self._above[min(level, len(self._above) - 1)])
        step = int(np.searchsorted(self._steps, end, side="right")) - 1
        pixels, first = self._with(*self._known[step], slice(self._steps[step], end))
        starts = np.flatnonzero(np.concatenate([[True], self._joins < level]))
        areas = np.add.reduceat(pixels, starts, dtype=np.int64)
        first = np.minimum.reduceat(first, starts)
        kept = areas > 0
        number = np.repeat(np.cumsum(kept) - 1, np.diff(starts, append=len(pixels)))
        border = np.zeros(np.count_nonzero(kept), bool)
        edge = self._edge[self._image.ravel()[self._edge] >= level]
        border[number[self._basins[edge]]] = True
        return Components(level, areas[kept], first[kept], border, number, pixels)

    def find(self, pixels: Integers, components: Components) -> npt.NDArray[np.intp]:
        """Return the component that each pixel lies in (it must lie in one)."""
        return components.number[self._basins[pixels]]

    def paint(
        self,
        components: Components,
        values: npt.NDArray[np.int32],
        out: npt.NDArray[np.int32],
    ) -> None:
        """Write the value of its component into each of its pixels, 0 into all others."""
        table, image = components.of_basins(values), self._image.ravel()
        for start in range(0, image.size, _PAINTED):
            part = slice(start, start + _PAINTED)
            np.take(table, self._basins[part], out=out[part], mode="clip")
            out[part] *= image[part] >= components.level

    def repaint(
        self,
        components: Components,
        values: npt.NDArray[np.int32],
        out: npt.NDArray[np.int32],
    ) -> None:
        """Write the value of its component into each of its pixels, if not 0; leave all others."""
        table, (starts, order) = components.of_basins(values), self.sort_pixels()
        basins = np.flatnonzero(table)
        sizes = components.pixels[basins]
        skipped = starts[basins] - (np.cumsum(sizes) - sizes)
        highest = order[np.arange(sizes.sum()) + np.repeat(skipped, sizes)]
        out[self._falling[highest]] = np.repeat(table[basins], sizes)

    def sort_pixels(self) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.int32]]:
        """Return the start of each basin among all pixels by basin, its highest first, and these.

        Pixels are given by their place among all from the highest level down.
        """
        if self._sorted is None:
            size = self._basins.size
            entries = (
                np.ones(size, np.int8),
                (self._basins_falling, np.arange(size, dtype=np.int32)),
            )
            by_basin = csr_array(entries, shape=(len(self._joins) + 1, size))
            self._sorted = by_basin.indptr, by_basin.indices.astype(np.int32, copy=False)
        return self._sorted
