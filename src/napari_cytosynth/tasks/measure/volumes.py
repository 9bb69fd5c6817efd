"""Properties of the labelled objects of a stack, added up plane by plane."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]

__all__ = ["Volumes"]

# the eight corners of a cell between two planes, as (z, y, x)
_CORNERS = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]


class Volumes:
    """The labelled objects of a run of planes along Z.

    Planes are given one after the other, and only the last one is kept.

    Parameters
    ----------
    ids
        Label of each object, ascending. All results are in this order.
    names
        Names of the images whose means are wanted. Default: none.
    sizes
        Sizes of a voxel along Z, Y and X that surfaces are wanted for. Default: 1 px.

    Attributes
    ----------
    volume
        Number of voxels of each object.
    surfaces
        For each of `sizes`, the area of the surface of each object (see :func:`cell_areas`).
    totals
        Sum of each object in each image.
    """

    def __init__(
        self,
        ids: npt.NDArray[np.integer],
        names: tuple[str, ...] = (),
        sizes: tuple[tuple[float, float, float], ...] = ((1.0, 1.0, 1.0),),
    ) -> None:
        count = len(ids)
        self.ids = ids
        self.volume: Whole = np.zeros(count, np.int64)
        self.surfaces: list[Floats] = [np.zeros(count) for _ in sizes]
        self._sums: Floats = np.zeros((3, count))
        self._low: Whole = np.full((3, count), np.iinfo(np.int64).max)
        self._high: Whole = np.full((3, count), -1)
        self.totals: dict[str, Floats] = {name: np.zeros(count) for name in names}
        self._lookup = _lookup(ids)
        self._areas = [cell_areas(size) for size in sizes]
        self._last: npt.NDArray[np.int32] | None = None
        self._z = 0

    def add(
        self, labels: npt.NDArray[np.integer], images: dict[str, npt.NDArray[Any]]
    ) -> tuple[Whole, tuple[Whole, Whole]]:
        """Add the next plane; return the number of the object of each of its pixels, and these.

        Parameters
        ----------
        labels
            (Y, X) of integers; 0 and negative values are background.
        images
            (Y, X) to be measured in, by name.
        """
        y, x = np.nonzero(labels > 0)
        region = self._lookup(labels[y, x])
        self._add_positions(region, y, x)
        for name, image in images.items():
            values = image[y, x].astype(np.float64)
            self.totals[name] += np.bincount(region, values, len(self.ids))
        # padded: the surface closes at the border of the image, too
        padded = np.zeros((labels.shape[0] + 2, labels.shape[1] + 2), np.int32)
        padded[y + 1, x + 1] = region + 1
        self._add_cells(padded)
        self._z += 1
        return region, (y, x)

    def close(self) -> None:
        """End the run: the surfaces close behind its last plane."""
        if self._last is not None:
            self._add_cells(np.zeros_like(self._last))
        self._last = None

    @property
    def centroid(self) -> Floats:
        """Mean plane, row and column of each object, (3, N)."""
        centroid: Floats = self._sums / self.volume
        return centroid

    @property
    def extent(self) -> Whole:
        """Number of planes, rows and columns from the first to the last of each object, (3, N)."""
        extent: Whole = self._high - self._low + 1
        return extent

    def _add_positions(self, region: Whole, y: Whole, x: Whole) -> None:
        count = len(self.ids)
        self.volume += np.bincount(region, minlength=count)
        for axis, values in enumerate((np.full(len(y), self._z), y, x)):
            self._sums[axis] += np.bincount(region, values, count)
            np.minimum.at(self._low[axis], region, values)
            np.maximum.at(self._high[axis], region, values)

    def _add_cells(self, plane: npt.NDArray[np.int32]) -> None:
        """Add the surface between the last plane and this one."""
        below = np.zeros_like(plane) if self._last is None else self._last
        self._last = plane
        # cells whose corners are all equal hold no surface
        rows = (below[:-1] != below[1:]) | (plane[:-1] != plane[1:])
        columns = below[:-1, :-1] != below[:-1, 1:]
        columns |= plane[:-1, :-1] != plane[:-1, 1:]
        cells = rows[:, :-1] | rows[:, 1:] | columns | (below != plane)[:-1, :-1]
        y, x = np.nonzero(cells)
        two = (below, plane)
        corners = np.stack([two[dz][y + dy, x + dx] for dz, dy, dx in _CORNERS])
        for number, own in enumerate(corners):
            # each object once in a cell: at its first corner
            first = (own > 0) & ~(corners[:number] == own).any(axis=0)
            inside = corners[:, first] == own[first]
            code = (inside * (1 << np.arange(8))[:, np.newaxis]).sum(axis=0)
            region = own[first] - 1
            for surface, areas in zip(self.surfaces, self._areas, strict=True):
                surface += np.bincount(region, areas[code], minlength=len(self.ids))


def _lookup(ids: npt.NDArray[np.integer]) -> Callable[[npt.NDArray[np.integer]], Whole]:
    """Return the function from labels to their numbers among `ids`: a table, if that is small."""
    highest = int(ids.max(initial=0))
    if highest > 4 * len(ids) + 1000:
        return lambda labels: np.searchsorted(ids, labels)
    table = np.zeros(highest + 1, np.int64)
    table[ids] = np.arange(len(ids))
    return lambda labels: table[labels]


@lru_cache(maxsize=32)
def cell_areas(size: tuple[float, float, float]) -> Floats:
    """Return the area of surface in a cell of eight voxels, by which of them are inside.

    Crofton's formula: the area of a surface is in proportion to the number of times that
    straight lines cross it. Counted are those through neighbouring voxels, in 13 directions,
    each with the share of all directions that it stands for (Lehmann and Legland, Insight
    Journal 2012, as in MorphoLibJ). Of ellipsoids the area is right within some per cent,
    whatever the shape of the voxels; a mesh by marching cubes is as rough as its voxels, and
    a tenth to a quarter too large. Of boxes along the axes it is an eighth too small.

    Parameters
    ----------
    size
        Size of a voxel along Z, Y and X.
    """
    from scipy.spatial import SphericalVoronoi

    directions = np.array([d for d in itertools.product((-1, 0, 1), repeat=3) if any(d)])
    steps = directions * size
    lengths = np.linalg.norm(steps, axis=1)
    shares = SphericalVoronoi(steps / lengths[:, np.newaxis]).calculate_areas() / (4 * np.pi)
    # a pair of neighbours along an axis lies in four cells, one across a face in two
    cells = 2.0 ** (3 - np.abs(directions).sum(axis=1))
    weights = 4 * shares * np.prod(size) / lengths / cells
    weight_of = {tuple(d): w for d, w in zip(directions.tolist(), weights, strict=True)}
    inside = (np.arange(256)[:, np.newaxis] >> np.arange(8)) & 1
    areas = np.zeros(256)
    for one, other in itertools.combinations(range(8), 2):
        step = tuple(b - a for a, b in zip(_CORNERS[one], _CORNERS[other], strict=True))
        areas += weight_of[step] * (inside[:, one] != inside[:, other])
    return areas
