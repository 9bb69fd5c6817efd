"""Files of microscopes' own programs (CZI, ND2, LIF), read by bioio: the extra ``readers``."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .facts import ImageContents, SeriesFacts
from .limits import check_memory
from .loaded import LoadedImage
from .series import chosen_number

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VENDOR_SUFFIXES", "read_vendor", "vendor_contents"]

VENDOR_SUFFIXES = (".czi", ".nd2", ".lif")


def read_vendor(path: Path, series: int | str | None = None) -> LoadedImage:
    """Read a CZI, ND2 or LIF file.

    Parameters
    ----------
    path
        The file.
    series
        Which scene of several, by its number (counted from 0) or its name. Default: None, the
        largest.

    Raises
    ------
    InputError
        If the extra is not installed, the file has no such scene, or it does not fit into the
        memory.
    """
    image = _opened(path)
    scenes = [str(scene) for scene in image.scenes]
    default = 0
    if series is None and len(scenes) > 1:
        sizes = [math.prod(_shape(image, number)) for number in range(len(scenes))]
        default = sizes.index(max(sizes))
    number, messages = chosen_number(path.name, scenes, series, default, "the largest")
    check_memory(path.name, _shape(image, number), np.dtype(image.dtype).itemsize)
    data, axes = _without_single(np.asarray(image.data), str(image.dims.order))
    sizes = image.physical_pixel_sizes
    return LoadedImage(data, axes, _pixel_size(sizes), messages, _length(sizes.Z))


def vendor_contents(path: Path) -> ImageContents:
    """Return the scenes of a CZI, ND2 or LIF file without reading their pixels.

    Raises
    ------
    InputError
        If the extra is not installed.
    """
    image = _opened(path)
    scenes = [str(scene) for scene in image.scenes]
    return ImageContents(tuple(_facts(image, n, scenes) for n in range(len(scenes))))


def _facts(image: Any, number: int, scenes: list[str]) -> SeriesFacts:
    shape = _shape(image, number)
    hollow = np.broadcast_to(np.zeros((), np.uint8), shape)
    data, axes = _without_single(hollow, str(image.dims.order))
    sizes = image.physical_pixel_sizes
    return SeriesFacts(
        shape=tuple(data.shape),
        dtype=str(np.dtype(image.dtype)),
        axes=axes,
        pixel_size_um=_pixel_size(sizes),
        z_size_um=_length(sizes.Z),
        series=number if len(scenes) > 1 else None,
        name=scenes[number],
    )


def _opened(path: Path) -> Any:
    try:
        from bioio import BioImage

        reader: Any = _plugin(path.suffix.lower()).Reader
    except ImportError as error:
        where = ", with Python 3.13 or older" if path.suffix.lower() == ".czi" else ""
        raise InputError(
            f"“{path.name}” is a file of a microscope's own program. Reading it needs the extra "
            f'“readers”{where}: pip install "napari-cytosynth[readers]". Or export it as OME-TIFF.'
        ) from error
    return BioImage(path, reader=reader)


def _plugin(suffix: str) -> Any:
    if suffix == ".czi":
        return import_module("bioio_czi")
    if suffix == ".nd2":
        return import_module("bioio_nd2")
    return import_module("bioio_lif")


def _shape(image: Any, number: int) -> tuple[int, ...]:
    image.set_scene(number)
    return tuple(int(size) for size in image.shape)


def _without_single(data: Any, order: str) -> tuple[Any, str]:
    """Return an image without the axes that bioio adds; colours become channels."""
    keep = [axis in "YX" or size > 1 for axis, size in zip(order, data.shape, strict=True)]
    axes = "".join(axis for axis, kept in zip(order, keep, strict=True) if kept)
    if "S" in axes and "C" not in axes:
        axes = axes.replace("S", "C")
    shape = [size for size, kept in zip(data.shape, keep, strict=True) if kept]
    return data.reshape(shape), axes


def _pixel_size(sizes: Any) -> float | tuple[float, float] | None:
    """Return what bioio gives in µm; None where the file has none (some write 0)."""
    y, x = _length(sizes.Y), _length(sizes.X)
    if y is None or x is None:
        return None
    return x if math.isclose(x, y, rel_tol=1e-6) else (y, x)


def _length(size: Any) -> float | None:
    length = float(size) if size else math.nan
    return length if math.isfinite(length) and length > 0 else None
