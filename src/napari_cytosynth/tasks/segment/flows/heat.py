"""The flows of known objects, by heat that spreads from their centres.

A source of heat at an object's centre and cold all around it: the temperature at rest has no
other maximum, whatever the shape, so that its gradient leads from every pixel to the centre.
Stringer et al. 2021 spread the heat for a number of steps; solving for the state at rest needs
no such number, and reaches the end of every arm.

Targets of a training are solved for here object by object, at all pixels and with Euclidean depths;
:mod:`.flow_error` solves for all objects of a plane at once, on a grid, with depths that are quick:
either in place of the other would change targets, or errors that limits were chosen for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["flow_field"]

_EIGHT = np.ones((3, 3), bool)
_NEIGHBOURS = np.array([(-1, 0), (0, -1), (-1, -1), (-1, 1)])  # the other four by symmetry
_WEIGHTS = np.array([4.0, 4.0, 1.0, 1.0])  # of the isotropic Laplacian, whose sum is 20
_SLOPE = np.array([1.0, 4.0, 1.0])  # across, for a gradient as isotropic as that
_INNER = 0.5  # of the largest distance to the outline: centres lie at least as deep


def flow_field(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Return the flows of labelled objects.

    Parameters
    ----------
    labels
        (Y, X) instances, 0 = background. The pieces of an object that is not connected
        (by sides or corners) have a centre each.

    Returns
    -------
    ndarray
        (2, Y, X) float32: components along Y and X of a unit vector in objects, 0 outside and
        at centres.
    """
    flows = np.zeros((2, *labels.shape), np.float32)
    boxes = ndimage.find_objects(labels) if labels.size else []
    for index, box in enumerate(boxes, start=1):
        if box is None:
            continue
        pieces, _ = ndimage.label(labels[box] == index, _EIGHT)
        for piece, inner in enumerate(ndimage.find_objects(pieces), start=1):
            inside = pieces[inner] == piece
            rows, columns = (
                slice(outer.start + part.start, outer.start + part.stop)
                for outer, part in zip(box, inner, strict=True)
            )
            flows[:, rows, columns][:, inside] = _object_flow(inside)[:, inside]
    return flows


def _object_flow(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the (2, Y, X) flow of one connected object."""
    heat = _temperature(np.pad(inside, 1))
    down = ndimage.correlate1d(ndimage.correlate1d(heat, [-1.0, 0.0, 1.0], axis=0), _SLOPE, axis=1)
    right = ndimage.correlate1d(ndimage.correlate1d(heat, [-1.0, 0.0, 1.0], axis=1), _SLOPE, axis=0)
    flow = np.stack([down, right])[:, 1:-1, 1:-1]
    # temperatures fall by hundreds of powers of ten along thin arms: their squares would vanish
    flow /= np.maximum(np.abs(flow).max(axis=0), np.finfo(float).tiny)
    length = np.hypot(*flow)
    return (flow / np.where(length > 0, length, 1.0)).astype(np.float32)


def _temperature(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the temperature at rest of one object, with a margin of one pixel around it."""
    place = np.full(inside.shape, -1, np.int64)
    pixels = np.argwhere(inside)
    place[inside] = np.arange(len(pixels))
    rows, columns, values = (
        [np.arange(len(pixels))],
        [np.arange(len(pixels))],
        [np.full(len(pixels), 2 * _WEIGHTS.sum())],
    )
    for step, weight in zip(_NEIGHBOURS, _WEIGHTS, strict=True):
        near = place[tuple((pixels + step).T)]
        one = np.flatnonzero(near >= 0)
        other = near[one]
        rows += [one, other]
        columns += [other, one]
        values += [np.full(2 * len(one), -weight)]
    matrix = csc_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))))
    source = np.zeros(len(pixels))
    source[place[_centre(inside)]] = 1.0
    heat = np.zeros(inside.shape)
    heat[inside] = spsolve(matrix, source)
    return heat


def _centre(inside: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixel nearest to the centroid among those deep inside (the mask has a margin).

    That of a bent object lies on its outline otherwise, where a neighbour may touch it.
    """
    depth = ndimage.distance_transform_edt(inside)
    candidates = np.argwhere(depth >= _INNER * depth.max())
    offsets = candidates - np.argwhere(inside).mean(axis=0)
    y, x = candidates[(offsets**2).sum(axis=1).argmin()]
    return int(y), int(x)
