"""Properties of all labelled regions of a plane, in whole-array operations.

The values are those of ``skimage.measure.regionprops`` (the solidity within a few
per cent: the hull's area is that of a polygon, not a count of pixels), without its cost for
each single object.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .hulls import hull_areas
from .intensities import summarise

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Regions", "number_labels"]


class Regions:
    """The labelled regions of one plane.

    Parameters
    ----------
    labels
        (Y, X) of integers; 0 and negative values are background.

    Attributes
    ----------
    ids
        Label of each region, ascending. All other results are in this order.
    """

    def __init__(self, labels: npt.NDArray[np.integer]) -> None:
        # a border of background spares every neighbourhood its special cases
        self._labels = np.pad(np.asarray(labels).astype(np.int64), 1)
        y, x = np.nonzero(self._labels > 0)
        self.ids, self._region = number_labels(self._labels[y, x])
        self._y, self._x = y - 1, x - 1

    def _total(self, values: npt.NDArray[Any] | None = None) -> Floats:
        weights = None if values is None else np.asarray(values, np.float64)
        return np.bincount(self._region, weights, minlength=len(self.ids)).astype(np.float64)

    @cached_property
    def area(self) -> npt.NDArray[np.int64]:
        """Number of pixels of each region."""
        return np.bincount(self._region, minlength=len(self.ids))

    @cached_property
    def centroid(self) -> tuple[Floats, Floats]:
        """Mean row and mean column of each region."""
        return self._total(self._y) / self.area, self._total(self._x) / self.area

    def find_area(self) -> None:
        """Find areas and centroids now, and not when they are used: progress is told in between."""
        _ = self.centroid

    def find_moments(self) -> None:
        """Find the second moments now."""
        _ = self._moments

    def find_perimeter(self) -> None:
        """Find the length of the outlines now."""
        _ = self._perimeter

    def mean(self, image: npt.NDArray[Any]) -> Floats:
        """Return the mean of an image (Y, X) over each region."""
        return self._total(image[self._y, self._x]) / self.area

    def statistics(self, image: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the statistics of an image (Y, X) over each region, by their names."""
        return summarise(self._region, image[self._y, self._x], len(self.ids))

    @cached_property
    def _moments(self) -> tuple[Floats, Floats, Floats]:
        y = self._y - self.centroid[0][self._region]
        x = self._x - self.centroid[1][self._region]
        return (
            self._total(y * y) / self.area,
            self._total(x * x) / self.area,
            self._total(x * y) / self.area,
        )

    def ellipse(self, size: tuple[float, ...] = (1.0, 1.0)) -> tuple[Floats, Floats, Floats]:
        """Return axes and orientation of the ellipse with the same second moments.

        Parameters
        ----------
        size
            Pixel size along Y and X. Default: 1 px.

        Returns
        -------
        major, minor
            Lengths of the whole axes, in units of `size`.
        angle
            From the Y axis to the major axis, counter-clockwise, in radians.
        """
        yy, xx, xy = self._moments
        yy, xx, xy = yy * size[0] ** 2, xx * size[1] ** 2, xy * size[0] * size[1]
        # eigenvalues of the matrix of second moments: middle ± radius
        middle, radius = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        angle = 0.5 * np.arctan2(2 * xy, yy - xx)  # 0 for a round region
        minor = np.sqrt(np.clip(middle - radius, 0, None))
        return 4 * np.sqrt(middle + radius), 4 * minor, angle

    def perimeter(self, size: tuple[float, float] = (1.0, 1.0)) -> Floats:
        """Return the length of the outlines, of holes too.

        Of square pixels it is that of Benkrid and Crookes (2000). Other pixels stretch it
        as they stretch the polygon around the ends of the regions' rows.

        Parameters
        ----------
        size
            Pixel size along Y and X; the length is in units of it. Default: 1 px.
        """
        if size[0] == size[1]:
            return self._perimeter * size[0]
        # rows lie along the short side of the pixels: across them, the ends of two rows are
        # joined by a straight line, however far apart they are
        ends = self._row_ends(turned=size[1] > size[0])
        stretched = self._outline(ends, max(size), min(size))
        return self._perimeter * (stretched / self._outline(ends, 1.0, 1.0))

    def _outline(
        self, ends: tuple[npt.NDArray[np.int64], ...], height: float, width: float
    ) -> Floats:
        """Return the length of the polygons through the ends of all rows, with pixels of a size."""
        region, row, place, above = ends
        # at each border between two rows, ends that follow each other are joined
        order = np.lexsort((place, row, region))
        first, second = order[::2], order[1::2]
        gap = (place[second] - place[first]) * width
        # two ends of the same row: the border between them is an edge of the region
        length = np.where(above[first] == above[second], gap + height, np.hypot(gap, height))
        return np.bincount(region[first], length, minlength=len(self.ids)).astype(np.float64)

    def _row_ends(self, *, turned: bool) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the ends of all rows of all regions, each at the borders above and below it.

        Columns are taken for rows if `turned`.

        Returns
        -------
        region, border, place
            Number of the region, of the border between two rows, and where the end lies on it.
        above
            Whether it is the end of the row above the border.
        """
        labels = self._labels.T if turned else self._labels
        row, place = np.nonzero(labels[:, 1:] != labels[:, :-1])
        left, right = labels[row, place], labels[row, place + 1]
        # where two regions touch, it is an end of both
        label = np.concatenate([left, right])
        row, place = np.tile(row, 2), np.tile(place, 2)
        kept = label > 0
        region = np.searchsorted(self.ids, label[kept])
        row, place = row[kept], place[kept]
        above = np.repeat([True, False], len(row))
        return np.tile(region, 2), np.concatenate([row, row - 1]), np.tile(place, 2), above

    @cached_property
    def _perimeter(self) -> Floats:
        labels = self._labels
        same = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
        outline = np.zeros(labels.shape, np.int64)
        inside = labels[1:-1, 1:-1]
        edge = np.logical_or.reduce([inside != other for other in same]) & (inside > 0)
        outline[1:-1, 1:-1][edge] = inside[edge]
        y, x = np.nonzero(outline)
        own = outline[y, x]
        code = np.ones(len(y), np.int64)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if dy or dx:
                    code += (10 if dy and dx else 2) * (outline[y + dy, x + dx] == own)
        region = np.searchsorted(self.ids, own)
        weights = _perimeter_weights()[code]
        return np.bincount(region, weights, minlength=len(self.ids)).astype(np.float64)

    def convex_area(self) -> Floats:
        """Return the area of the convex hull of the pixels' edge midpoints, in px, plus 1/2.

        That is the number of pixels of rectangles, rows and diagonal squares, and close
        to it for whatever else is convex.
        """
        region, row, low, high = self._row_extremes()
        return hull_areas(region, row, low, high, len(self.ids)) + 0.5

    def _row_extremes(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the first and last column of every row of every region, all that a hull needs."""
        # pixels are in raster order: within a region rows ascend, and columns within a row
        order = np.argsort(self._region, kind="stable")
        region, y, x = self._region[order], self._y[order], self._x[order]
        begins = np.ones(len(order), bool)
        begins[1:] = (y[1:] != y[:-1]) | (region[1:] != region[:-1])
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(order))[: len(first)] - 1
        return region[first], y[first], x[first], x[last]


def number_labels(
    labels: npt.NDArray[np.integer],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the different labels, ascending, and the number of each pixel's among them.

    Parameters
    ----------
    labels
        (N,) above 0.
    """
    highest = int(labels.max(initial=0))
    if highest > 4 * len(labels) + 1000:  # a table of all would be larger than what it is of
        ids, numbers = np.unique(labels, return_inverse=True)
        return ids.astype(np.int64), numbers
    there = np.zeros(highest + 1, bool)
    there[labels] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[labels]


def _perimeter_weights() -> Floats:
    """Return the length of an outline pixel by its numbers of direct and diagonal neighbours."""
    weights = np.zeros(50)
    weights[[5, 7, 15, 17, 25, 27]] = 1
    weights[[21, 33]] = np.sqrt(2)
    weights[[13, 23]] = (1 + np.sqrt(2)) / 2
    return weights
