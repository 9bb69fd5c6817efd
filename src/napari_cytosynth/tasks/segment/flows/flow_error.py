"""Flow errors: how far predicted flows are from those of the shapes that they led to.

Stringer et al. 2021: the mean squared difference between both tells objects that a network is sure
of from chance. The flows of all shapes are solved for at once, on a grid as coarse as a typical
object allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solveh_banded
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]
    Floats = npt.NDArray[np.float64]

__all__ = ["flow_errors", "grid_step"]

_ACROSS = 12  # grid points across a typical object
_THIN = 0.4  # of the points of an object: with fewer inside, it is solved for on its pixels, too
_FEW = 12  # objects with fewer points are solved for on the pixels themselves
_CHUNK = 100_000  # points in one system of equations
# sides, then corners; weights of the isotropic Laplacian, whose sum is 20
_STEPS = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
_WEIGHTS = (4.0,) * 4 + (1.0,) * 4
_BANDS = (8, 16, 32, 64)  # of systems that are solved band by band
_ROUNDING = 1e-10  # of the temperatures around a point
_INNER = 0.5  # of the largest distance to the outline, as in the flows of known objects


def grid_step(diameter: float) -> int:
    """Return the distance in px of the points at which flows of objects are compared."""
    return max(round(diameter / _ACROSS), 1)


def flow_errors(
    flows: npt.NDArray[np.floating],
    shapes: npt.NDArray[np.int32],
    count: int,
    *,
    scale: float = 1.0,
    diameter: float = 16.0,
) -> Floats:
    """Return the flow error of each object.

    Parameters
    ----------
    flows
        (2, Y, X), components along Y and X.
    shapes
        (Y, X) int32: the objects 1 … `count`, each in one piece; 0 is none.
    count
        Number of objects.
    scale
        Length of certain flows. Default: 1.
    diameter
        Of a typical object in px. Default: 16.

    Returns
    -------
    ndarray
        (count,) ≥ 0; 1 for lengths near 0, 2 for random directions. NaN for objects without pixels.
    """
    stride = grid_step(diameter)
    if stride > 1:
        points, inner = _grid_points(shapes, count, stride)
        coarse = (points < _FEW) | (inner < _THIN * points)
        fine = np.where(coarse, np.arange(count + 1, dtype=np.int32), 0)[shapes]
        total, points = _errors(flows, shapes - fine, count, stride, scale)
        again, pixels = _errors(flows, fine, count, 1, scale)
        total, points = total + again, points + pixels
    else:
        total, points = _errors(flows, shapes, count, 1, scale)
    errors: Floats = np.divide(total, points, out=np.full(count + 1, np.nan), where=points > 0)
    return errors[1:]


def _grid_points(
    shapes: npt.NDArray[np.int32], count: int, stride: int
) -> tuple[Integers, Integers]:
    """Return the number of grid points of each object, and of those with all sides in it."""
    grid = slice(stride // 2, None, stride)
    owner = np.pad(shapes[grid, grid], 1)
    own, inner = owner[1:-1, 1:-1], owner > 0
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= owner == np.roll(owner, step, axis)
    found = own[inner[1:-1, 1:-1]]
    points, inside = (np.bincount(of.ravel(), minlength=count + 1) for of in (own, found))
    return points, inside


def _errors(
    flows: npt.NDArray[np.floating],
    shapes: npt.NDArray[np.int32],
    count: int,
    stride: int,
    scale: float,
) -> tuple[Floats, Integers]:
    """Return, of each object, the sum of squared differences, and the number of grid points."""
    grid = slice(stride // 2, None, stride)
    owner = shapes[grid, grid]
    y, x = np.nonzero(owner)
    owners = owner[y, x]
    found = flows[:, grid, grid][:, y, x] / scale
    total = np.zeros(count + 1)
    order = np.argsort(owners, kind="stable")  # systems of whole objects
    y, x, owners, found = y[order], x[order], owners[order], found[:, order]
    for part in _systems(owners):
        near = _neighbours(owner.shape, y[part], x[part], owners[part])
        own = _shape_flows(near, y[part], x[part], owners[part])
        squares = ((found[:, part] - own) ** 2).sum(axis=0)
        total += np.bincount(owners[part], squares, minlength=count + 1)
    return total, np.bincount(owners, minlength=count + 1)


def _systems(owners: Integers) -> Iterator[slice]:
    """Yield runs of sorted points that hold whole objects, each small enough to solve."""
    starts = np.flatnonzero(np.diff(owners, prepend=0))
    first = starts[np.flatnonzero(np.diff(starts // _CHUNK, prepend=-1))]
    for start, stop in zip(first, [*first[1:], len(owners)], strict=False):
        yield slice(start, stop)


def _neighbours(shape: tuple[int, ...], y: Integers, x: Integers, owners: Integers) -> Integers:
    """Return the (8, N) number of each point's neighbours of the same object, -1 for none."""
    width = shape[1] + 2
    index = np.full((shape[0] + 2) * width, -1, np.int32)
    place = (y + 1) * width + x + 1
    index[place] = np.arange(len(y))
    near = np.stack([index[place + down * width + right] for down, right in _STEPS])
    return np.where(owners[near] == owners, near, -1)


def _shape_flows(near: Integers, y: Integers, x: Integers, owners: Integers) -> Floats:
    """Return the (2, N) unit flows of objects, given by their points."""
    heat = _temperatures(near, _centres(y, x, owners, _depths(near)), owners)
    around = np.where(near >= 0, heat[near], 0)
    up, left, right, down, up_left, up_right, down_left, down_right = around
    flow = np.stack(
        [
            4 * (down - up) + (down_left - up_left) + (down_right - up_right),
            4 * (right - left) + (up_right - up_left) + (down_right - down_left),
        ]
    )
    largest = np.abs(flow).max(axis=0)
    # where an object is symmetric, what is left of differences is rounding: no direction
    flow[:, largest <= _ROUNDING * around.max(axis=0)] = 0
    flow /= np.maximum(largest, np.finfo(float).tiny)
    length = np.hypot(*flow)
    return flow / np.where(length > 0, length, 1)


def _temperatures(near: Integers, sources: Integers, owners: Integers) -> Floats:
    """Return the temperature at rest of all points, with a source in each object.

    Row by row, the points of small objects have neighbours that are near in number: systems of
    a few bands. Those of larger ones are sparse.
    """
    reach = np.zeros(int(owners.max(initial=0)) + 1, np.int64)
    np.maximum.at(reach, owners, (near - np.arange(near.shape[1])).max(axis=0))
    class_of = np.searchsorted(_BANDS, reach)[owners]
    source = np.zeros(near.shape[1])
    source[sources] = 1
    heat = np.zeros(near.shape[1])
    for number in np.unique(class_of):
        part = class_of == number
        place = np.cumsum(part, dtype=np.int32) - np.int32(1)
        within = np.where(near[:, part] >= 0, place[near[:, part]], -1)
        solve = _solve_bands if number < len(_BANDS) else _solve_sparse
        heat[part] = solve(within, source[part])
    return heat


def _solve_bands(near: Integers, source: Floats) -> Floats:
    own = np.arange(near.shape[1])
    apart = near - own
    matrix = np.zeros((len(own), int(apart.max(initial=0)) + 1))
    matrix[:, 0] = 20
    for distance, weight in zip(apart, _WEIGHTS, strict=True):
        later = np.flatnonzero(distance > 0)
        matrix[later, distance[later]] = -weight
    solved: Floats = solveh_banded(
        matrix.T, source, lower=True, overwrite_ab=True, check_finite=False
    )
    return solved


def _solve_sparse(near: Integers, source: Floats) -> Floats:
    count = near.shape[1]
    rows, columns, values = [np.arange(count)], [np.arange(count)], [np.full(count, 20.0)]
    for neighbours, weight in zip(near, _WEIGHTS, strict=True):
        there = np.flatnonzero(neighbours >= 0)
        rows.append(there)
        columns.append(neighbours[there])
        values.append(np.full(len(there), -weight))
    places = np.concatenate(rows), np.concatenate(columns)
    matrix = csc_array((np.concatenate(values), places), shape=(count, count))
    symmetric = {"SymmetricMode": True}
    solver = splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=0, options=symmetric)
    solved: Floats = solver.solve(source)
    return solved


def _depths(near: Integers) -> Integers:
    """Return how often an object must be peeled, by sides and all neighbours in turn, to a point.

    An octagonal distance to the outline: the Euclidean one needs whole planes.
    """
    depths = np.zeros(near.shape[1], np.int64)
    left = np.arange(near.shape[1])
    here = np.append(np.ones(len(left), bool), [False])  # the last is that outside
    turn = 0
    while len(left):
        inner = here[near[: 4 if turn % 2 == 0 else 8, left]].all(axis=0)
        here[left[~inner]] = False
        left = left[inner]
        depths[left] += 1
        turn += 1
    return depths


def _centres(y: Integers, x: Integers, owners: Integers, depths: Integers) -> Integers:
    """Return the point of each object nearest to its centroid, of those deep inside."""
    points = np.bincount(owners)
    deepest = np.zeros(len(points), np.int64)
    np.maximum.at(deepest, owners, depths)
    inner = np.flatnonzero(depths >= _INNER * deepest[owners])
    at = owners[inner]
    # times the number of points these are whole numbers, so that ties do not depend on rounding
    off = (points[at] * y[inner] - np.bincount(owners, y)[at]) ** 2
    off += (points[at] * x[inner] - np.bincount(owners, x)[at]) ** 2
    order = np.lexsort((off, at))
    return inner[order[np.flatnonzero(np.diff(at[order], prepend=0))]]
