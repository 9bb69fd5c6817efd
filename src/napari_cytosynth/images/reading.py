"""Image files to arrays, with axes and pixel size from their metadata."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.files import user_path

from .facts import ImageContents, SeriesFacts
from .limits import check_memory
from .loaded import LoadedImage
from .ome_zarr import is_zarr, read_ome_zarr, zarr_contents
from .pictures import picture_contents, read_picture
from .series import chosen_number
from .tiff import is_tiff, read_tiff, tiff_contents
from .vendors import VENDOR_SUFFIXES, read_vendor, vendor_contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .loaded import Content

__all__ = ["LoadedImage", "inspect_image", "read_image"]


def read_image(
    path: str | Path,
    series: int | str | None = None,
    *,
    content: Content = "image",
    alone: bool = False,
    lazy: bool = False,
) -> LoadedImage:
    """Read a TIFF (plain, ImageJ, OME, LSM, STK, slides), a picture, OME-Zarr, CZI or NumPy file.

    Parameters
    ----------
    path
        The file. A TIFF is known by its header, whatever its suffix is. CZI, ND2 and LIF need
        the extra ``readers``.
    series
        The image in a file of several, by its number (counted from 0) or its name; None (default)
        for the largest (of a plate: the first).
    content
        ``"image"`` (default); ``"mask"``, where numbers mean inside and outside, or ``"labels"``,
        where they name objects: then palettes stay numbers, and a mask that is stored with 0 for
        white is turned.
    alone
        Whether only this file's own planes are read, where it is one of several of an OME-TIFF.
        Default: False.
    lazy
        Whether of an OME-Zarr nothing is read yet, but for its metadata: the array is one of zarr,
        and its coarser levels come with it. Other files are read whole. Default: False.

    Returns
    -------
    LoadedImage
        Array, axes, pixel size and messages.

    Raises
    ------
    InputError
        If there is no such file or image, it cannot be read, or it does not fit into the memory.
    """
    path = user_path(path)
    with _explained(path):
        if _is_zarr(path):
            return read_ome_zarr(path, series, lazy=lazy)
        image = _read(path, series, content, alone=alone)
    if not image.data.size:
        raise InputError(f"“{path.name}” holds no pixels.")
    return image


def inspect_image(path: str | Path) -> ImageContents:
    """Return what :func:`read_image` would find in a file, without reading a pixel.

    Parameters
    ----------
    path
        As :func:`read_image` takes it.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    """
    path = user_path(path)
    with _explained(path):
        if _is_zarr(path):
            return zarr_contents(path)
        if is_tiff(path):
            return tiff_contents(path)
        if path.suffix.lower() == ".npy":
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            return ImageContents((SeriesFacts(mapped.shape, str(mapped.dtype)),))
        if path.suffix.lower() in VENDOR_SUFFIXES:
            return vendor_contents(path)
        return picture_contents(path)


def _is_zarr(path: Path) -> bool:
    """Return whether a path is a Zarr, and no file; neither is refused."""
    try:
        zarr, file = is_zarr(path), path.is_file()
        empty = file and not path.stat().st_size
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise InputError(f"“{path}” cannot be read: {error.strerror or error}.") from error
    if not zarr and not file:
        raise InputError(f"There is no image file “{path}”.")
    if empty:
        raise InputError(
            f"“{path.name}” cannot be read as an image: it is empty (0 bytes). Copy it again."
        )
    return zarr


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise whatever a reader or a codec raises as :class:`InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each reader and codec has errors of its own
        raise InputError(f"“{path.name}” cannot be read as an image: {error}") from error


def _read(path: Path, series: int | str | None, content: Content, *, alone: bool) -> LoadedImage:
    if is_tiff(path):
        return read_tiff(path, series, content, alone=alone)
    if path.suffix.lower() == ".npy":
        return _read_npy(path, series)
    if path.suffix.lower() in VENDOR_SUFFIXES:
        return read_vendor(path, series)
    return read_picture(path, series, content)


def _read_npy(path: Path, series: int | str | None) -> LoadedImage:
    chosen_number(path.name, [""], series, 0, "the only one")
    # mapped first: a header that declares more than the file holds is refused there
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    check_memory(path.name, mapped.shape, mapped.dtype.itemsize)
    return LoadedImage(np.array(mapped), None, None)
