"""What every reader of image files returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Content", "LoadedImage"]

Content = Literal["image", "mask", "labels"]
"""What the pixels of a file are: intensities, inside and outside, or numbers of objects."""


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image from a file, with the axes and the pixel size of its metadata.

    Attributes
    ----------
    data
        The array, of the file's own type; one of zarr, if it was to be read later.
    axes
        One letter for each axis: Y and X span a plane, C holds channels or colours, any other
        (T, Z, …) counts planes; None if the file has no such metadata.
    pixel_size_um
        Pixel size in µm, (Y, X) where these differ; None if the file has none.
    messages
        Sentences about what was chosen, left out or could not be understood. Default: none.
    z_size_um
        Distance of planes along Z in µm. Default: None, the file has none.
    levels
        Arrays of zarr of an OME-Zarr that is to be read later: `data`, and its coarser copies.
        Default: none.
    """

    data: Any
    axes: str | None
    pixel_size_um: float | tuple[float, float] | None
    messages: tuple[str, ...] = ()
    z_size_um: float | None = None
    levels: tuple[Any, ...] = ()
