"""Image layers as they are seen in the viewer: their colours, blended in one plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import geometry_of, read_source, world_matrix
from napari_cytosynth.tasks.common.provenance import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    Floats = npt.NDArray[np.float32]

__all__ = ["Grid", "ShownImage", "blend"]

_LEVELS = 256
_STRIP = 4_000_000  # px that are blended at a time
_NEAR = 1e-6
_TILTED = 1e-3  # px that the plane of an image may change within the figure


@dataclass(frozen=True, eq=False)
class ShownImage:
    """An image and how it is shown.

    Attributes
    ----------
    name
        With what it is, where it was not measured: "DNA (virtual stain)".
    data
        The array at its finest level; with `rgb`, colours are its last axis.
    rgb
        Whether it is a colour picture.
    geometry
        As in :class:`~napari_cytosynth.tasks.common.layers.Source`; empty for an array.
    colours
        RGBA in [0, 1] of shape (256, 4), from the lower to the upper limit.
    limits
        Intensities of the first and the last colour. None: the least and the largest of the part
        that is shown.
    gamma, opacity, blending
        As in napari.
    """

    name: str
    data: Any
    rgb: bool
    geometry: dict[str, Any]
    colours: Floats
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    opacity: float = 1.0
    blending: str = "translucent"

    @classmethod
    def of(cls, image: Any, number: int = 0) -> ShownImage:
        """Read a napari layer as it is shown, or an array, which is grey."""
        source = read_source(image)
        grey = np.repeat(np.linspace(0, 1, _LEVELS, dtype=np.float32)[:, None], 4, axis=1)
        grey[:, 3] = 1
        if source.name is None:
            name = "image" if not number else f"image {number + 1}"
            return cls(name, source.data, False, {}, grey)
        colormap = getattr(image, "colormap", None)
        if colormap is not None and not source.rgb:
            grey = np.asarray(colormap.map(np.linspace(0, 1, _LEVELS)), np.float32)
        limits = getattr(image, "contrast_limits", None)
        return cls(
            f"{source.name}{_what_it_is(image)}", source.data, source.rgb, geometry_of(image), grey,
            None if limits is None or source.rgb else (float(limits[0]), float(limits[1])),
            float(getattr(image, "gamma", 1.0)), float(getattr(image, "opacity", 1.0)),
            str(getattr(image, "blending", "translucent")),
        )  # fmt: skip

    @property
    def ndim(self) -> int:
        """Number of axes, without the colours."""
        return int(self.data.ndim) - self.rgb

    def coloured(self, values: Floats) -> Floats:
        """Return the colours of values, RGBA in [0, 1]."""
        if self.rgb:
            dtype = np.dtype(self.data.dtype)
            most = np.iinfo(dtype).max if dtype.kind in "iu" else 1
            shown: Floats = np.clip(values / most, 0, 1).astype(np.float32)
            opaque = np.ones_like(shown[..., :1])
            return shown if shown.shape[-1] == 4 else np.concatenate([shown, opaque], axis=-1)
        low, high = self.limits or (float(np.nanmin(values)), float(np.nanmax(values)))
        share = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30), 0, 1)
        found: Floats = self.colours[np.round(share**self.gamma * (_LEVELS - 1)).astype(np.int64)]
        return found


def _what_it_is(layer: Any) -> str:
    """Return what the legend must say of what was not measured, in brackets."""
    record = dict(getattr(layer, "metadata", {})).get(KEY)
    if not isinstance(record, dict):
        return ""
    if record.get("synthetic"):
        return " (synthetic)"
    role = record.get("role")
    if record.get("task") == "stain" or "stain" in record:
        return " (virtual stain)" if role in (None, "mean") else f" ({role} of a virtual stain)"
    return ""


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixels of the figure: a part of one plane of the labels.

    Attributes
    ----------
    geometry
        Of the labels, as in :class:`~napari_cytosynth.tasks.common.layers.Source`.
    plane
        Index into the leading axes of the labels.
    rows, columns
        First and last + 1 pixel along Y and X.
    point
        Place in the world of the plane that is seen, for images with more axes than the labels.
        Default: none.
    """

    geometry: dict[str, Any]
    plane: tuple[int, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]
    point: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def places(self, image: ShownImage) -> npt.NDArray[np.float64]:
        """Return the matrix (axes of the image, 3) from (y, x, 1) of a plane to its indices.

        Raises
        ------
        InputError
            If the image has a scale of 0.
        """
        ndim, own = image.ndim, len(self.plane) + 2
        local = np.zeros((own + 1, 3))  # from (y, x, 1) to the indices of the labels
        local[: len(self.plane), 2] = self.plane
        local[own - 2, 0] = local[own - 1, 1] = local[own, 2] = 1
        if not self.geometry or not image.geometry:  # arrays lie where their indices say
            return _last(local[:-1], ndim)
        count = max(own, ndim, len(self.point))
        world = np.zeros((count, 3))
        if self.point:
            world[count - len(self.point) :, 2] = self.point
        world[count - own :] = (world_matrix(self.geometry) @ local)[:-1]
        units = list(image.geometry.get("units", ()))
        if units:
            shared = min(own, ndim)
            units[ndim - shared :] = list(self.geometry.get("units", units))[-shared:]
        try:
            back = np.linalg.inv(world_matrix(image.geometry, units or None))
        except np.linalg.LinAlgError:
            raise InputError(f"“{image.name}” has a scale of 0: correct it in its layer.") from None
        whole = np.concatenate([world[count - ndim :], [[0.0, 0.0, 1.0]]])
        found: npt.NDArray[np.float64] = (back @ whole)[:-1]
        return found


def _last(places: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return the last rows; axes that are missing in front are of index 0."""
    missing = max(count - len(places), 0)
    return np.concatenate([np.zeros((missing, 3)), places])[-count:]


def blend(images: Sequence[ShownImage], grid: Grid, largest: int, progress: Progress) -> Floats:
    """Return the images as napari blends them on black.

    Parameters
    ----------
    images
        From the lowest to the uppermost.
    grid
        The pixels.
    largest
        Edge of the result; larger grids are averaged by whole numbers of pixels.
    progress
        Called after each strip of rows; raises to cancel.

    Returns
    -------
    ndarray
        Float32 RGB in [0, 1] of shape (Y, X, 3).

    Raises
    ------
    InputError
        If an image is tilted against the plane, or cannot be read.
    """
    height, width = grid.shape
    factor = math.ceil(max(height, width) / largest)
    step = max(_STRIP // max(width * factor, 1), 1) * factor
    found = []
    samplers = [_PixelSampler(image, grid) for image in images]
    for start in range(0, height, step):
        progress(start, height, "Drawing the image")
        rows = range(start, min(start + step, height))
        strip = np.zeros((len(rows), width, 3), np.float32)
        for number, sampler in enumerate(samplers):
            strip = _over(strip, sampler.image, *sampler.read(rows, width), lowest=not number)
        found.append(_averaged(strip, factor))
    return np.clip(np.concatenate(found), 0, 1)


def _over(
    canvas: Floats, image: ShownImage, rgba: Floats, inside: npt.NDArray[np.bool_], *, lowest: bool
) -> Floats:
    alpha = (rgba[..., 3] * image.opacity * inside)[..., None]
    colours = rgba[..., :3]
    if image.blending == "additive":
        return canvas + colours * alpha
    if image.blending == "opaque" or (lowest and image.blending in ("minimum", "multiplicative")):
        return np.where(alpha > 0, colours, canvas)
    if image.blending == "minimum":
        return np.where(alpha > 0, np.minimum(canvas, colours), canvas)
    if image.blending == "multiplicative":
        return np.where(alpha > 0, canvas * colours, canvas)
    return canvas * (1 - alpha) + colours * alpha


def _averaged(strip: Floats, factor: int) -> Floats:
    if factor == 1:
        return strip
    pad = [(0, -size % factor) for size in strip.shape[:2]]
    strip = np.pad(strip, [*pad, (0, 0)], mode="edge")
    height, width = strip.shape[0] // factor, strip.shape[1] // factor
    blocks = strip.reshape(height, factor, width, factor, 3)
    averaged: Floats = blocks.mean(axis=(1, 3), dtype=np.float32)
    return averaged


class _PixelSampler:
    """Reads the values of one image at the pixels of a grid."""

    def __init__(self, image: ShownImage, grid: Grid) -> None:
        places = grid.places(image)
        if np.abs(places[:-2, :2] @ np.array(grid.shape)).max(initial=0) > _TILTED:
            raise InputError(
                f"“{image.name}” is tilted against the planes of the labels: hide it, or turn it "
                "back."
            )
        self._index = self._index_of(image, places[:-2, 2])
        self._matrix = places[-2:, :2]
        self._shift = places[-2:, 2] + self._matrix @ (grid.rows[0], grid.columns[0])
        self._sizes = tuple(image.data.shape[len(places) - 2 : len(places)])
        self.image = image
        if image.limits is None and not image.rgb and self._index is not None:
            values = self._part(slice(*grid.rows), slice(*grid.columns))
            known = values[np.isfinite(values)]
            ends = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
            self.image = replace(image, limits=ends)

    @staticmethod
    def _index_of(image: ShownImage, leading: npt.NDArray[np.float64]) -> tuple[int, ...] | None:
        """Return the index of the plane; None where the image does not reach."""
        index = tuple(int(place) for place in np.floor(leading + 0.5 + _NEAR))
        sizes = image.data.shape[: len(index)]
        there = all(0 <= place < size for place, size in zip(index, sizes, strict=True))
        return index if there else None

    def read(self, rows: range, width: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the colours (rows, width, 4), and where the image is."""
        shape = len(rows), width
        if self._index is None:
            return np.zeros((*shape, 4), np.float32), np.zeros(shape, bool)
        shift = self._shift + self._matrix[:, 0] * rows.start
        y, x = np.ogrid[: shape[0], : shape[1]]
        inside, nearest = np.ones(shape, bool), []
        for (by_y, by_x), offset, size in zip(self._matrix, shift, self._sizes, strict=True):
            place = np.floor(by_y * y + (by_x * x + offset) + 0.5 + _NEAR).astype(np.int64)
            inside &= (place >= 0) & (place < size)
            nearest.append(np.clip(place, 0, size - 1))
        return self.image.coloured(self._values(*nearest)), inside

    def _values(self, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> Floats:
        """Return the values of pixels: the nearest ones, so that no intensity is made up."""
        top, left = int(row.min()), int(column.min())
        part = self._part(slice(top, int(row.max()) + 1), slice(left, int(column.max()) + 1))
        return part[row - top, column - left]

    def _part(self, rows: slice, columns: slice) -> Floats:
        assert self._index is not None
        try:  # of lazy arrays, no more than is shown
            return np.asarray(self.image.data[(*self._index, rows, columns)]).astype(np.float32)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"“{self.image.name}” could not be read: {error}.") from error
