"""Image files to arrays, with axes and pixel size from their metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_cytosynth.errors import InputError

from .ome_zarr import is_zarr, read_ome_zarr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["LoadedImage", "read_image"]

TIFF_SUFFIXES = (".tif", ".tiff")
UNITS_IN_UM = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "\\u00B5m"), 1.0),
    **{"nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "m": 1e6},
    **{"Å": 1e-4, "pm": 1e-6},
}


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image from a file, with the axes and the pixel size of its metadata.

    Attributes
    ----------
    data
        The array, of the file's own type.
    axes
        One letter of T, Z, C, Y, X for each axis; None if the file has no such metadata.
    pixel_size_um
        Pixel size in µm, (Y, X) where these differ; None if the file has none.
    messages
        Notes for the user, such as which of several images was read. Default: none.
    """

    data: NDArray[Any]
    axes: str | None
    pixel_size_um: float | tuple[float, float] | None
    messages: tuple[str, ...] = ()


def read_image(path: str | Path, series: int | str | None = None) -> LoadedImage:
    """Read a TIFF (plain, ImageJ, OME), PNG, JPEG, NumPy or OME-Zarr file.

    Parameters
    ----------
    path
        The file.
    series
        Which of several images: its number, counted from 0, or its name. Default: None, the
        largest (of a plate: the first).

    Returns
    -------
    LoadedImage
        Array, axes and pixel size.

    Raises
    ------
    InputError
        If there is no such file or it is not an image that can be read.
    """
    path = Path(path)
    if is_zarr(path):
        return LoadedImage(*read_ome_zarr(path, series))
    if not path.is_file():
        raise InputError(f"There is no image file “{path}”.")
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return _read_tiff(path)
        if path.suffix.lower() == ".npy":
            return LoadedImage(np.load(path, allow_pickle=False), None, None)
        data = _read_picture(path)
    except Exception as error:  # each reader and codec has errors of its own
        raise InputError(f"“{path.name}” cannot be read as an image: {error}") from error
    return LoadedImage(data, {2: "YX", 3: "YXC"}.get(data.ndim), None)


def _read_picture(path: Path) -> NDArray[Any]:
    from PIL import Image  # not skimage.io: it leaves files open that it cannot read

    # The limit guards web servers; a microscopist's 16k × 16k mosaic is no attack.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _read_tiff(path: Path) -> LoadedImage:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        axes = series.axes.replace("S", "C")
        known = len(set(axes)) == len(axes) and set(axes) <= set("TZCYX")
        return LoadedImage(series.asarray(), axes if known else None, _pixel_size(file))


def _pixel_size(file: Any) -> float | tuple[float, float] | None:
    if file.is_ome:
        y, x = _ome_sizes(file.ome_metadata)
    elif file.is_shaped:
        y, x = _named_sizes(file.shaped_metadata[0])  # as `write_tiff` names them
    else:
        y, x = (_imagej_size(file, axis) for axis in "YX")
    y, x = (size if size and math.isfinite(size) and size > 0 else None for size in (y, x))
    if x is None or y is None:
        return x or y
    return x if math.isclose(x, y, rel_tol=1e-6) else (y, x)


def _ome_sizes(text: str | None) -> tuple[float | None, float | None]:
    for element in ElementTree.fromstring(text or "<none/>").iter():
        if element.tag.endswith("Pixels"):
            return _named_sizes(element.attrib)
    return None, None


def _named_sizes(attributes: Mapping[str, Any]) -> tuple[float | None, float | None]:
    y, x = (_named_size(attributes, f"PhysicalSize{axis}") for axis in "YX")
    return y, x


def _named_size(attributes: Mapping[str, Any], name: str) -> float | None:
    unit = UNITS_IN_UM.get(attributes.get(f"{name}Unit", "µm"))
    return None if unit is None or name not in attributes else float(attributes[name]) * unit


def _imagej_size(file: Any, axis: str) -> float | None:
    unit = UNITS_IN_UM.get(str((file.imagej_metadata or {}).get("unit", "")))
    tag = file.pages[0].tags.get(f"{axis}Resolution")
    if unit is None or tag is None or not tag.value[0]:
        return None
    return float(tag.value[1] / tag.value[0] * unit)
