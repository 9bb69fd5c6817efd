"""Pyramids of OME-Zarr images: levels, each half as large as the one before along Y and X.

Intensities are means and labels the most frequent of 2 × 2 px, so that a pixel of level n lies in
the middle of the 2ⁿ × 2ⁿ that it stands for: in px of level 0, (2ⁿ - 1) / 2 further down and right
than theirs of the same number. The metadata say so, since in OME-Zarr the place of a pixel is that
of its centre (https://github.com/ome/ome-zarr-py/issues/403). Planes along Z, T … are not joined.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import plane_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

__all__ = [
    "CHUNK",
    "create_levels",
    "datasets",
    "fill_levels",
    "halved",
    "level_shapes",
]

CHUNK = 1024
"""Side of a chunk in px."""
_SMALLEST = 256  # px: a plane that small needs no smaller copy


def level_shapes(shape: Sequence[int], axes: str) -> list[tuple[int, ...]]:
    """Return the shapes of all levels, the finest first.

    Parameters
    ----------
    shape
        Of the image. Odd sizes are halved upwards: the last pixel then stands for those that exist.
    axes
        One letter for each axis.
    """
    shapes = [tuple(int(size) for size in shape)]
    while max(_plane_shape(shapes[-1], axes)) > _SMALLEST and 0 not in shapes[-1]:
        pairs = zip(axes, shapes[-1], strict=True)
        shapes.append(tuple(-(-size // 2) if axis in "YX" else size for axis, size in pairs))
    return shapes


def halved(plane: npt.NDArray[Any], *, labels: bool = False) -> npt.NDArray[Any]:
    """Return a plane of half the size.

    Parameters
    ----------
    plane
        (Y, X), not empty.
    labels
        Take the most frequent of 2 × 2 labels; of two pairs, and of four labels that are all
        different, the higher one, so that thin objects stay. Default: False, take the mean,
        rounded in images of whole numbers.
    """
    # at an odd end, the repeated pixels leave mean and frequencies as they are
    padded = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge")
    corners = [padded[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return _most_frequent(corners) if labels else _mean(corners)


def _mean(corners: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    kind = corners[0].dtype
    exact = np.float64 if kind.itemsize > 4 else np.float32
    mean = np.asarray(sum(corner.astype(exact) for corner in corners)) / 4
    return np.rint(mean).astype(kind) if kind.kind in "iub" else mean.astype(kind)


def _most_frequent(corners: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    one, two = np.minimum(*corners[:2]), np.maximum(*corners[:2])
    three, four = np.minimum(*corners[2:]), np.maximum(*corners[2:])
    first, last = np.minimum(one, three), np.maximum(two, four)
    one, two = np.maximum(one, three), np.minimum(two, four)
    second, third = np.minimum(one, two), np.maximum(one, two)
    # sorted: a pair in the middle is the only one, or part of three or four
    found = np.where(first == second, first, last)
    found = np.where(third == last, last, found)
    frequent: npt.NDArray[Any] = np.where(second == third, second, found)
    return frequent


def create_levels(group: Any, shape: Sequence[int], axes: str, dtype: Any) -> list[Any]:
    """Create the arrays ``0``, ``1`` … of an image group, the finest first.

    Parameters
    ----------
    group
        Of zarr.
    shape, axes
        As :func:`level_shapes` takes them.
    dtype
        Of the pixels.
    """
    return [
        group.create_array(
            str(level),
            shape=sizes,
            chunks=tuple(
                min(CHUNK, size) if axis in "YX" else 1
                for axis, size in zip(axes, sizes, strict=True)
            ),
            dtype=dtype,
            dimension_names=list(axes.lower()),
        )
        for level, sizes in enumerate(level_shapes(shape, axes))
    ]


def datasets(axes: str, scale: Sequence[float], count: int) -> list[dict[str, Any]]:
    """Return the entries ``datasets`` of the metadata, with scale and translation of each level.

    Parameters
    ----------
    axes
        One letter for each axis.
    scale
        Size of a pixel of the finest level along each axis.
    count
        Number of levels.
    """
    found = []
    for level in range(count):
        factors = [2**level if axis in "YX" else 1 for axis in axes]
        sizes = [size * factor for size, factor in zip(scale, factors, strict=True)]
        shifts = [size * (factor - 1) / 2 for size, factor in zip(scale, factors, strict=True)]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": sizes}]
        if level:
            transforms.append({"type": "translation", "translation": shifts})
        found.append({"path": str(level), "coordinateTransformations": transforms})
    return found


def fill_levels(
    levels: Sequence[Any], axes: str, *, labels: bool = False, progress: Progress = silent
) -> None:
    """Fill all levels from the finest one, a chunk at a time.

    Parameters
    ----------
    levels
        Arrays, the finest first; the others are written.
    axes
        One letter for each axis.
    labels
        As :func:`halved` takes it. Default: False.
    progress
        Called after each chunk. Default: none.
    """
    work = [list(_chunks(level.shape, axes)) for level in levels[1:]]
    total, done = sum(map(len, work)), 0
    for (fine, coarse), chunks in zip(itertools.pairwise(levels), work, strict=True):
        for where in chunks:
            twice = tuple(
                slice(2 * one.start, 2 * one.stop) if axis in "YX" else one
                for axis, one in zip(axes, where, strict=True)
            )
            plane = np.asarray(fine[twice])
            flat = plane.reshape(_plane_shape(plane.shape, axes))
            small = halved(flat, labels=labels)
            coarse[where] = small.reshape([one.stop - one.start for one in where])
            done += 1
            progress(done, total, "making the pyramid")


def _chunks(shape: Sequence[int], axes: str) -> Iterator[tuple[slice, ...]]:
    """Yield where the chunks of a level lie; along axes that count planes, one plane."""
    leading = [size for axis, size in zip(axes, shape, strict=True) if axis not in "YX"]
    rows, columns = _plane_shape(shape, axes)
    for index in np.ndindex(*leading):
        for y, x in itertools.product(range(0, rows, CHUNK), range(0, columns, CHUNK)):
            inside = iter((slice(y, min(y + CHUNK, rows)), slice(x, min(x + CHUNK, columns))))
            yield tuple(
                next(inside) if isinstance(part, slice) else slice(part, part + 1)
                for part in plane_slices(axes, index)
            )


def _plane_shape(shape: Sequence[int], axes: str) -> tuple[int, int]:
    return int(shape[axes.index("Y")]), int(shape[axes.index("X")])
