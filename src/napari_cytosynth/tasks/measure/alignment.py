"""Where the pixels of one layer lie in another: scales, shifts and rotations of both count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import layer_geometry, world_matrix

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.common.axes import PlaneReader
    from napari_cytosynth.tasks.common.layers import Source

    Floats = npt.NDArray[np.float64]

__all__ = ["Alignment", "find_alignment"]

_NEAR = 0.02  # px: nobody places a layer better
_LINEAR = 1  # order of the spline


@dataclass(frozen=True, eq=False)
class Alignment:
    """Map from the pixels of the labels to those of another image.

    Attributes
    ----------
    axes
        Letters of the labels' axes, without C.
    matrix
        (N + 1, N + 1), homogeneous: from indices of the labels to indices of the image.
    plane_shape
        Rows and columns of the labels.
    nearest
        Take the nearest pixel, as of labels. Default: False, linear interpolation.
    """

    axes: str
    matrix: Floats
    plane_shape: tuple[int, int]
    nearest: bool = False

    def read(self, reader: PlaneReader, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return the plane (C, Y, X) of an image under a plane of the labels, NaN outside of it."""
        source = self._leading(reader, index)
        if source is None:
            channels = reader.data.shape[reader.axes.index("C")] if "C" in reader.axes else 1
            return np.full((channels, *self.plane_shape), np.nan, np.float32)
        below, share = source
        plane = reader.read(below)
        if share:
            above = reader.read(self._next(reader, below))
            plane = (1 - share) * plane.astype(np.float64) + share * above
        return self._resampled(plane)

    def _leading(
        self, reader: PlaneReader, index: tuple[int, ...]
    ) -> tuple[tuple[int, ...], float] | None:
        """Return the index of the plane below, and the share of the one above; None outside."""
        place = self._leading_place(index)
        below: list[int] = []
        share = 0.0
        for axis, where, size in zip(reader.leading_axes, place, reader.leading_shape, strict=True):
            if not -0.5 <= where < size - 0.5 + _NEAR:
                return None
            near = round(where)
            if abs(where - near) <= _NEAR or self.nearest or axis != "Z":
                below.append(min(max(near, 0), size - 1))
                continue
            inside = min(max(where, 0.0), size - 1.0)
            below.append(min(int(inside), max(size - 2, 0)))
            share = inside - below[-1]
        return tuple(below), share

    def _leading_place(self, index: tuple[int, ...]) -> Floats:
        leading = [n for n, axis in enumerate(self.axes) if axis not in "YX"]
        block = self.matrix[np.ix_(leading, leading)]
        place: Floats = block @ np.asarray(index, float) + self.matrix[leading, -1]
        return place

    def _next(self, reader: PlaneReader, index: tuple[int, ...]) -> tuple[int, ...]:
        z = reader.leading_axes.index("Z")
        return (*index[:z], index[z] + 1, *index[z + 1 :])

    def _resampled(self, planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        from scipy.ndimage import affine_transform

        block, shift = self.plane_map
        small = planes.dtype.kind == "b" or planes.dtype.itemsize <= 2
        dtype = np.float32 if small or planes.dtype == np.float32 else np.float64
        result = np.stack(
            [
                affine_transform(
                    plane.astype(dtype), block, shift, self.plane_shape,
                    order=0 if self.nearest else _LINEAR, mode="nearest",
                )
                for plane in planes
            ]
        )  # fmt: skip
        result[:, ~self._inside(planes.shape[-2:])] = np.nan
        return result

    @property
    def plane_map(self) -> tuple[Floats, Floats]:
        """Matrix (2, 2) and shift (2,) from rows and columns of the labels to the image's."""
        yx = [self.axes.index("Y"), self.axes.index("X")]
        return self.matrix[np.ix_(yx, yx)], self.matrix[yx, -1]

    def _inside(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Return which pixels (Y, X) of the labels have their centre in a pixel of the image."""
        block, shift = self.plane_map
        y, x = np.ogrid[: self.plane_shape[0], : self.plane_shape[1]]
        inside = np.ones(self.plane_shape, bool)
        for row, offset, size in zip(block, shift, shape, strict=True):
            place = row[0] * y + (row[1] * x + offset)
            inside &= (place >= -0.5 - _NEAR) & (place <= size - 0.5 + _NEAR)
        return inside


def find_alignment(
    labels: Source, axes: str, other: Source, other_axes: str, name: str
) -> Alignment | None:
    """Return where the labels lie in another image; None where that is pixel on pixel, or unknown.

    Parameters
    ----------
    labels, axes
        The labels, and the letters of their axes.
    other, other_axes
        The image, and the letters of its axes: those of the labels, and perhaps C.
    name
        Of the image, to begin a sentence with.

    Raises
    ------
    InputError
        If the image is tilted against the planes of the labels, has other time points, or lies
        somewhere else.
    """
    if not labels.geometry or not other.geometry:
        return None  # arrays lie where their indices say
    plain = axes.replace("C", "")
    if other_axes.replace("C", "") != plain:
        return None
    shape = [size for axis, size in zip(axes, labels.shape, strict=True) if axis != "C"]
    sizes = [other.shape[other_axes.index(axis)] for axis in plain]
    try:
        matrix = np.linalg.inv(_world(other, other_axes, labels, axes)) @ _world(
            labels, axes, labels, axes
        )
    except np.linalg.LinAlgError:
        raise InputError(f"{name} has a scale of 0: correct it in its layer.") from None
    matrix = np.where(np.abs(matrix - np.round(matrix)) < 1e-9, np.round(matrix), matrix)
    # by how much the farthest pixel moves for each entry
    moves = np.abs(matrix[:-1] - np.eye(len(shape) + 1)[:-1]) * [*shape, 1]
    if sizes == shape and moves.max(initial=0) <= _NEAR:
        return None
    _check(matrix, plain, shape, sizes, name)
    plane = tuple(shape[plain.index(axis)] for axis in "YX")
    return Alignment(plain, matrix, (plane[0], plane[1]))


def _world(layer: Source, axes: str, like: Source, like_axes: str) -> Floats:
    """Return the matrix from a layer's pixels to the units of another one, without C."""
    geometry, wanted = (
        layer_geometry(one.geometry, [n for n, axis in enumerate(letters) if axis != "C"])
        for one, letters in ((layer, axes), (like, like_axes))
    )
    return world_matrix(geometry, wanted.get("units"))


def _check(matrix: Floats, axes: str, shape: list[int], sizes: list[int], name: str) -> None:
    leading = [n for n, axis in enumerate(axes) if axis not in "YX"]
    mixed = np.abs(matrix[:-1, :-1]) * np.maximum(np.array(shape) - 1, 0)
    for number in leading:
        mixed[number, number] = 0
    yx = [axes.index("Y"), axes.index("X")]
    mixed[np.ix_(yx, yx)] = 0
    if mixed.max(initial=0) > 0.5:
        raise InputError(
            f"{name} is tilted against the planes of the labels, and is not measured in: give "
            "both layers the same rotation and shear, or resample one of them first."
        )
    for number in leading:
        if axes[number] != "Z":
            places = matrix[number, number] * np.arange(shape[number]) + matrix[number, -1]
            if np.abs(places - np.round(places)).max(initial=0) > 0.1:
                raise InputError(
                    f"{name} has other steps along {axes[number]} than the labels, and is not "
                    "measured in: correct the scale of one of the layers."
                )
    if not _meet(matrix, shape, sizes):
        raise InputError(
            f"{name} lies elsewhere than the labels: none of its pixels is under them. Correct "
            "the position (translate, scale) of one of the layers."
        )


def _meet(matrix: Floats, shape: list[int], sizes: list[int]) -> bool:
    """Return whether the boxes around the labels and around the image share anything."""
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in shape), indexing="ij"))
    points = corners.reshape(len(shape), -1)
    placed = matrix[:-1, :-1] @ points + matrix[:-1, -1:]
    low, high = placed.min(axis=1), placed.max(axis=1)
    return bool(np.all((high > -0.5 + _NEAR) & (low < np.array(sizes) - 0.5 - _NEAR)))
