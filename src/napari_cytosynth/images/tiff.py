"""TIFF of all kinds (plain, ImageJ, OME, LSM, STK, slides) to arrays."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .facts import ImageContents, SeriesFacts
from .limits import check_compression, check_memory
from .loaded import LoadedImage
from .ome import OmeDescription, check_entities, leaves_folder, read_description
from .series import chosen_number
from .tiff_axes import named_axes
from .tiff_size import tiff_pixel_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .loaded import Content

__all__ = ["is_tiff", "read_tiff", "tiff_contents"]

_HEADERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF, in both byte orders
# how much smaller each compression can make an image at most
_MOST_COMPRESSED = {
    **{1: 1.0, 5: 4000.0, 32773: 130.0},  # none, LZW, run lengths
    **{8: 1100.0, 32946: 1100.0, 34925: 8000.0, 50000: 40_000.0},  # deflate, LZMA, Zstandard
}
_BESIDE_SLIDE = re.compile(r"\b(thumbnail|label|macro|overview)\b", re.IGNORECASE)
_MIN_IS_WHITE, _PALETTE = 0, 3  # kinds of photometric interpretation


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF does, whatever its name is."""
    with path.open("rb") as file:
        return file.read(4) in _HEADERS


@dataclass(frozen=True)
class _TiffSource:
    """An open TIFF, with what its description says."""

    name: str
    file: Any
    ome: OmeDescription
    messages: tuple[str, ...] = ()
    alone: bool = False


def read_tiff(
    path: Path, series: int | str | None, content: Content, *, alone: bool
) -> LoadedImage:
    """Read one image of a TIFF.

    Parameters
    ----------
    path
        The file.
    series
        Number or name of the image; None for the largest.
    content
        What the pixels are.
    alone
        Whether only the planes inside this file are read, where it is one of several of an
        OME-TIFF.

    Raises
    ------
    InputError
        If the file has no such image, declares more than it can hold or the memory can take, or
        its description cannot be trusted.
    """
    with _opened(path, alone=alone) as source:
        return _read(source, series, content)


@contextmanager
def _opened(path: Path, *, alone: bool) -> Iterator[_TiffSource]:
    """Open a TIFF, with what its description says; `alone` as :func:`read_tiff` takes it."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not len(file.pages):
            raise InputError(f"“{path.name}” is a TIFF without an image: it is cut off or damaged.")
        check_entities(file.pages.first.description, path.name)
        text = file.ome_metadata if file.is_ome else None
        ome = read_description(text, path.name) if text else OmeDescription()
        messages, alone = _look_beside(path, ome, alone=alone)
        if not alone:
            yield _TiffSource(path.name, file, ome, messages)
            return
    with tifffile.TiffFile(path, is_ome=False) as file:
        yield _TiffSource(path.name, file, ome, messages, alone=True)


def tiff_contents(path: Path) -> ImageContents:
    """Return the images of a TIFF without reading their pixels.

    Of a slide, the macro image, the label and the thumbnail are left out.

    Raises
    ------
    InputError
        If the file holds no image, or its description cannot be trusted.
    """
    with _opened(path, alone=False) as source:
        every = source.file.series
        if not every:
            raise InputError(f"“{source.name}” holds no image.")
        facts = [_facts(source, number) for number in range(len(every))]
        slide = source.file.is_svs or source.file.is_scn or source.file.is_qpi
        if slide and len(facts) > 1:
            facts = [one for one in facts if not _BESIDE_SLIDE.search(one.name)] or facts
        others = () if source.alone else source.ome.other_files(path.name)
        beside = [path.parent / name for name in others]
        return ImageContents(tuple(facts), tuple(file for file in beside if file.is_file()))


def _facts(source: _TiffSource, number: int) -> SeriesFacts:
    every = source.file.series
    image = every[number]
    # of the shape alone: nothing is read, and no memory taken
    hollow = np.broadcast_to(np.zeros((), np.uint8), image.shape)
    shaped, axes = _hollow_axes(hollow, image.axes)
    pixel = tiff_pixel_size(source.file, image, source.ome, number, len(every))
    return SeriesFacts(
        shape=shaped,
        dtype=str(np.dtype(image.dtype)),
        axes=axes,
        pixel_size_um=pixel.um,
        z_size_um=pixel.z_um,
        series=number if len(every) > 1 else None,
        name=str(image.name or "")[:80],
    )


def _hollow_axes(hollow: NDArray[Any], axes: str) -> tuple[tuple[int, ...], str | None]:
    """Return shape and letters as :func:`named_axes` gives them, without copying a pixel."""
    if "C" in axes and "S" in axes:  # merging would copy
        sizes = dict(zip(axes, hollow.shape, strict=True))
        rest = axes.replace("S", "")
        shape = [sizes[a] * (sizes["S"] if a == "C" else 1) for a in rest]
        hollow, axes = np.broadcast_to(np.zeros((), np.uint8), shape), rest
    data, letters = named_axes(hollow, axes)
    return tuple(data.shape), letters


def _look_beside(path: Path, ome: OmeDescription, *, alone: bool) -> tuple[tuple[str, ...], bool]:
    """Return what to say about the other files of an OME-TIFF, and whether to leave them out."""
    others = ome.other_files(path.name)
    if not others or alone:
        return (), bool(others)
    name, places = path.name, [path.parent / other for other in others]
    outside = [other for other, place in zip(others, places, strict=True) if _is_far(other, place)]
    if outside:
        return (
            f"“{name}” is part of an OME-TIFF that names files in other places "
            f"({_listed(outside)}): only the planes inside this file are read.",
        ), True
    missing = [other for other, place in zip(others, places, strict=True) if not place.exists()]
    if not missing:
        return (), False
    said = (
        f"“{name}” is part of an OME-TIFF of {len(others) + 1:,} files; not in its "
        f"folder: {_listed(missing)}. "
    )
    if len(missing) < len(others):
        return (f"{said}Copy them there to have all planes.",), False
    said += "Only the planes inside this file are read; copy the others there to read all."
    return (said,), True


def _is_far(name: str, place: Path) -> bool:
    """Whether a file of a data set lies outside its folder, or is something else than a file."""
    return leaves_folder(name) or (place.exists() and not place.is_file())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(f"“{name[:80]}”" for name in names[:3]) + more


def _read(source: _TiffSource, series: int | str | None, content: Content) -> LoadedImage:
    every = source.file.series
    if not every:
        raise InputError(f"“{source.name}” holds no image.")
    sizes = [math.prod(one.shape) for one in every]
    largest = sizes.index(max(sizes))
    why = "the largest" if sizes.count(sizes[largest]) == 1 else "the first of the largest"
    names = [str(one.name or "")[:80] for one in every]
    number, chosen = chosen_number(source.name, names, series, largest, why)
    image = every[number]
    missing = _missing_planes(image)
    _check_size(source, image)
    data, white = _right_side_up(image.asarray(), image.keyframe, source, content)
    data, axes = named_axes(data, image.axes)
    pixel = tiff_pixel_size(source.file, image, source.ome, number, len(every))
    said = (*source.messages, *chosen, *missing, *white, pixel.message)
    return LoadedImage(data, axes, pixel.um, tuple(text for text in said if text), pixel.z_um)


def _missing_planes(image: Any) -> tuple[str, ...]:
    """Return a sentence that names the planes which the description counts, but no page holds."""
    if image.kind not in ("ome", "mmstack", "ndtiff"):
        return ()
    absent = [number for number, page in enumerate(image) if page is None]
    if not absent:
        return ()
    inside = image.keyframe.ndim
    lengths = image.shape[: len(image.shape) - inside]
    names = []
    for number in absent[:5]:
        place: Any = ()
        if math.prod(lengths) > number:
            place = np.unravel_index(number, lengths) if lengths else ()
        where = " ".join(f"{a} {int(i)}" for a, i in zip(image.axes, place, strict=False))
        names.append(where or f"plane {number}")
    more = f" and {len(absent) - 5:,} more" if len(absent) > 5 else ""
    return (
        f"{len(absent):,} of {len(image):,} planes are missing in the file, and are 0 everywhere "
        f"(counted from 0): {'; '.join(names)}{more}. The recording was cut short, or files are "
        "missing.",
    )


def _check_size(source: _TiffSource, image: Any) -> None:
    page, itemsize = image.keyframe, np.dtype(image.dtype).itemsize
    _check_parts(source, image)
    stored = page.parent.filehandle.size
    if page.compression == 1 and image.dataoffset is not None:
        check_compression(source.name, image.nbytes, stored - image.dataoffset, 1)
    most = _MOST_COMPRESSED.get(int(page.compression))
    if most is not None and not page.is_subsampled and image.kind != "stk":
        chunk = math.prod(page.chunks) * page.bitspersample / 8
        filled = sum(1 for count in page.databytecounts if count)
        declared = page.size * page.bitspersample / 8
        if filled < len(page.databytecounts):  # a sparse file; the last strip may be short
            declared = min(declared, (filled - 1) * chunk)
        check_compression(source.name, declared, stored, most)
    check_memory(source.name, image.shape, itemsize)
    check_memory(source.name, page.chunks, itemsize)  # a tile may be larger than its image


def _check_parts(source: _TiffSource, image: Any) -> None:
    """Check that a page lists as many strips or tiles as its size asks for, some with bytes."""
    page = image.keyframe
    if image.kind in ("generic", "uniform", "shaped", "ome", "imagej") and (
        len(page.databytecounts) < math.prod(page.chunked) or not any(page.databytecounts)
    ):
        raise InputError(
            f"“{source.name}” declares an image of {' × '.join(map(str, page.shape))}, of which it "
            "holds only a part: the file is cut off or damaged. Copy or export it again."
        )


def _right_side_up(
    data: NDArray[Any], page: Any, source: _TiffSource, content: Content
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Turn what is stored with 0 for white, where the meaning of the numbers is certain."""
    if int(page.photometric) == _PALETTE and content == "mask":
        colours = page.colormap
        if colours[:, 0].any() and (colours == colours[0]).all():  # greys, of which 0 is not black
            return colours[0][data], ()
    if int(page.photometric) != _MIN_IS_WHITE:
        return data, ()
    if data.dtype == bool:
        return ~data, ()
    if source.file.is_imagej:  # an inverted look-up table: what is marked is 255, and shown black
        return data, ()
    if data.dtype.kind == "u" and content == "mask":
        return max(data.max(), 1) - data, ()  # numbers may be 0 and 255, or 0 and 1
    if content != "image":
        return data, ()
    return data, (
        f"“{source.name}” is marked “0 is white”: it is shown dark where its numbers are high. "
        "The numbers are taken as they are; invert the image if dark and light are swapped.",
    )
