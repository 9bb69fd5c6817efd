"""Small pictures of an image and the outlines of its objects, as PNG."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["middle_plane", "thumbnail"]

SIDE = 224  # px, the longest side of a picture
_OUTLINE = (255, 210, 0)
_LOW, _HIGH = 0.5, 99.8  # percentiles that are shown black and white
_MOST = 65_536  # pixels that the percentiles are taken of


def middle_plane(
    data: Any, axes: str | None, channel: int = 0, planes: Sequence[int] | None = None
) -> NDArray[Any]:
    """Return one plane (Y, X) of an image: of each other axis the middle.

    Parameters
    ----------
    data
        The image.
    axes
        One letter for each axis; None: the last two are Y and X.
    channel
        Index into C. Default: 0.
    planes
        Index into the other axes. Default: None, the middle.
    """
    if axes is None or len(axes) != data.ndim or not {"Y", "X"} <= set(axes):
        axes = "?" * (data.ndim - 2) + "YX"
    others = [axis for axis in axes if axis not in "CYX"]
    chosen = iter(planes if planes is not None and len(planes) == len(others) else ())
    where: list[Any] = []
    for axis, size in zip(axes, data.shape, strict=True):
        if axis in "YX":
            where.append(slice(None))
        else:
            where.append(min(channel, size - 1) if axis == "C" else next(chosen, size // 2))
    return np.asarray(data[tuple(where)])


def thumbnail(
    image: NDArray[Any] | None, labels: NDArray[Any] | None, stains: Sequence[NDArray[Any]] = ()
) -> bytes:
    """Return a PNG of an image with the outlines of its objects, and of its stains beside it.

    Parameters
    ----------
    image
        Plane (Y, X); None for black.
    labels
        Objects of the same shape; None for none.
    stains
        Further planes, which are shown beside the image.
    """
    planes = [plane for plane in (image, *stains) if plane is not None]
    if not planes and labels is not None:
        planes = [np.zeros(labels.shape, np.uint8)]
    if not planes or 0 in planes[0].shape:
        return b""
    shown = [_coloured(_small(plane)) for plane in planes]
    if labels is not None and labels.shape == planes[0].shape:
        edges = _outlines(labels, _step(labels.shape))
        for picture in shown:
            picture[edges] = _OUTLINE
    return _png(np.concatenate(shown, axis=1))


def _step(shape: Sequence[int]) -> int:
    return max(1, math.ceil(max(shape[-2:]) / SIDE))


def _small(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a plane as small as a picture, by the mean of blocks."""
    step = _step(plane.shape)
    rows, columns = (math.ceil(size / step) for size in plane.shape)
    total = np.zeros((rows, columns), np.float64)
    count = np.zeros((rows, columns), np.int32)
    for y in range(step):
        for x in range(step):
            part = np.nan_to_num(np.asarray(plane[y::step, x::step], np.float32))
            total[: part.shape[0], : part.shape[1]] += part
            count[: part.shape[0], : part.shape[1]] += 1
    return (total / count).astype(np.float32)


def _coloured(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    some = plane.ravel()[:: max(1, plane.size // _MOST)]
    low, high = np.percentile(some, (_LOW, _HIGH))
    scaled = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
    grey = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _outlines(labels: NDArray[Any], step: int) -> NDArray[np.bool_]:
    """Return where a picture that is `step` times smaller shows the edge of an object."""
    small = labels[::step, ::step]
    edges = np.zeros(small.shape, bool)
    edges[:-1] |= small[:-1] != small[1:]
    edges[:, :-1] |= small[:, :-1] != small[:, 1:]
    return edges


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()
