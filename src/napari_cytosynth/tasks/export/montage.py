"""Montages and colour composites of images, for contact sheets and animations."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_whole
from napari_cytosynth.tasks.common.colours import rgb_of, usual_colour

if TYPE_CHECKING:
    import numpy.typing as npt

    from .captions import SyntheticFacts

    Bytes = npt.NDArray[np.uint8]

__all__ = ["column_count", "composite", "enlarged", "montage", "to_bytes", "with_outline"]

_OUTLINE = (255, 200, 0)


def column_count(count: int, columns: int | None = None) -> int:
    """Return the number of columns for `count` images; None makes the grid about square.

    Raises
    ------
    InputError
        If `columns` is less than 1.
    """
    if columns is not None:
        columns = check_whole(columns, "The number of columns", 1, unit=" column")
    return max(1, ceil(sqrt(count)) if columns is None else min(columns, count))


def montage(images: npt.NDArray[Any], columns: int, gap: int = 0) -> npt.NDArray[Any]:
    """Lay images (N, C, Y, X) side by side, row by row, with `gap` px of 0 between them."""
    count, channels, height, width = images.shape
    rows = ceil(count / columns)
    shape = channels, max(0, rows * (height + gap) - gap), columns * (width + gap) - gap
    result = np.zeros(shape, images.dtype)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        y, x = row * (height + gap), column * (width + gap)
        result[:, y : y + height, x : x + width] = image
    return result


def to_bytes(values: npt.NDArray[Any]) -> Bytes:
    """Convert values in [0, 1] to 0 to 255, rounded; NaN becomes 0."""
    scaled: Bytes = (np.clip(np.nan_to_num(values), 0, 1) * 255 + 0.5).astype(np.uint8)
    return scaled


def composite(images: npt.NDArray[Any], facts: SyntheticFacts) -> Bytes:
    """Return images (N, C, Y, X) as colour pictures (N, Y, X, 3).

    Several channels are added up in their usual colours; a single one is grey.
    """
    images = np.asarray(images, np.float32)
    if facts.is_rgb:
        return to_bytes(np.moveaxis(images, 1, -1))
    picture = np.zeros((len(images), *images.shape[2:], 3), np.float32)
    for number, name in enumerate(facts.channels):
        low, high = facts.limits[number]
        colour = "gray" if len(facts.channels) == 1 else usual_colour(name)
        shown = np.clip((images[:, number] - low) / (high - low), 0, 1)
        picture += shown[..., None] * rgb_of(colour)
    return to_bytes(picture)


def enlarged(pictures: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Enlarge pictures (N, Y, X, …) by whole factors to edges of at most `side` px."""
    zoom = max(1, side // max(pictures.shape[1:3]))
    return pictures.repeat(zoom, axis=1).repeat(zoom, axis=2)


def with_outline(pictures: Bytes, labels: npt.NDArray[np.integer]) -> Bytes:
    """Draw the inner outline of labels (N, Y, X), of the pictures' size, one px wide."""
    edge = np.zeros(labels.shape, bool)
    for axis in (1, 2):
        ahead = np.diff(labels, axis=axis) != 0
        first, last = ((0, 0),) * axis, ((0, 0),) * (2 - axis)
        edge |= np.pad(ahead, (*first, (1, 0), *last)) | np.pad(ahead, (*first, (0, 1), *last))
    edge &= labels > 0
    drawn = pictures.copy()
    drawn[edge] = _OUTLINE
    return drawn
