"""An image from a file, as the public functions take it: with its path, axes and pixel size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.layers import Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.images.loaded import LoadedImage

__all__ = ["count_pixels", "file_source", "sizes_of"]


def file_source(file: LoadedImage, path: Path) -> Source:
    """Return an image with its path, so that the record of a result names it."""
    return Source(file.data, path=str(path.absolute()))


def sizes_of(file: Any, given: float | Sequence[float] | None, axes: str | None) -> Any:
    """Return the pixel size as functions take it: given by the user, else the file's.

    Parameters
    ----------
    file
        The image, or the facts of one; a distance of planes that is not given is its own.
    given
        One to three numbers, or None.
    axes
        Those in use, or None if unknown.
    """
    found = given if given is not None else file.pixel_size_um
    own = file.z_size_um if "Z" in (axes or "") else None
    if found is None or own is None:
        return found
    sizes = (found, found) if isinstance(found, float | int) else tuple(found)
    return sizes if len(sizes) == 3 else (own, sizes[0], sizes[-1])


def count_pixels(shape: Sequence[int], axes: str | None) -> int:
    """Return the number of pixels of one channel; of unknown axes, those of one plane."""
    if axes is None or len(axes) != len(shape):
        return math.prod(shape[-2:]) if len(shape) == 2 else 0
    return math.prod(size for size, axis in zip(shape, axes, strict=True) if axis != "C")
