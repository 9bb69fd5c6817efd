"""What a file holds, known without reading its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ImageContents", "SeriesFacts"]


@dataclass(frozen=True)
class SeriesFacts:
    """One image (series) of a file.

    Attributes
    ----------
    shape
        Shape of the array that is read.
    dtype
        Type of the pixels in the file.
    axes
        One letter for each axis; None (default) if the file does not name them.
    pixel_size_um
        Pixel size in µm, (Y, X) where these differ. Default: None, unknown.
    z_size_um
        Distance of planes along Z in µm. Default: None, unknown.
    series
        What ``read_image`` is to be asked for; None (default) of the only image of a file.
    name
        As the file calls it. Default: "".
    place
        Where it lies inside a Zarr, by which it is read at once. Default: None.
    """

    shape: tuple[int, ...]
    dtype: str
    axes: str | None = None
    pixel_size_um: float | tuple[float, float] | None = None
    z_size_um: float | None = None
    series: int | str | None = None
    name: str = ""
    place: Path | None = None

    @property
    def channels(self) -> int | None:
        """Number of channels; None where the axes are unknown."""
        if self.axes is None:
            return None
        return self.shape[self.axes.index("C")] if "C" in self.axes else 1


@dataclass(frozen=True)
class ImageContents:
    """The images of a file, and the files beside it that belong to the same images.

    Attributes
    ----------
    series
        The images, in the order of the file.
    others
        Further files of the same OME-TIFF. Default: none.
    unreadable
        Why an image, or a well of a plate, cannot be read while others can, by its name.
        Default: none.
    """

    series: tuple[SeriesFacts, ...]
    others: tuple[Path, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
