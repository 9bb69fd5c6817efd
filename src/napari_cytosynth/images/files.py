"""Names of image files: which are images, and which belong together."""

from __future__ import annotations

import unicodedata
from pathlib import Path

__all__ = ["PICTURE_SUFFIXES", "TIFF_SUFFIXES", "image_name", "is_hidden", "list_images"]

TIFF_SUFFIXES = (
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".svs", ".qptiff", ".flex", ".scn",
)  # fmt: skip
"""Suffixes of files that hold TIFF; the header decides, where a file is named alone."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".zarr")
_OF_SYSTEMS = ("thumbs.db", "desktop.ini")


def is_hidden(path: Path) -> bool:
    """Whether systems left a file behind: ``._x.tif``, ``.DS_Store``, ``Thumbs.db``."""
    return path.name.startswith(".") or path.name.lower() in _OF_SYSTEMS


def image_name(file: Path | str) -> str:
    """Return the name by which an image and its truth belong together.

    The file's name without ``.tif``, ``.ome.tif``, ``.png`` … in one form of Unicode: macOS
    writes “é” as two characters, others as one. A field of an OME-Zarr plate is called
    ``row-column-field``.
    """
    zarr = (
        [p for p in file.parents if p.suffix.lower() == ".zarr"] if isinstance(file, Path) else []
    )
    if isinstance(file, Path) and zarr:
        return "-".join(file.relative_to(zarr[0]).parts)
    name = unicodedata.normalize("NFC", file.name if isinstance(file, Path) else file)
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") and len(name) > 4 else name


def list_images(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the image files of a folder by :func:`image_name`, sorted.

    Parameters
    ----------
    folder
        An existing folder.
    suffixes
        Of the files to list, in small letters.
    """
    return {
        image_name(path): path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes and not is_hidden(path)
    }
