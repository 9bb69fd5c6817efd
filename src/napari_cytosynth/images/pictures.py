"""Pictures (PNG, JPEG, BMP, GIF …) to arrays, in the depth of the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .facts import ImageContents, SeriesFacts
from .limits import check_compression, check_memory
from .loaded import LoadedImage
from .series import chosen_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .loaded import Content

__all__ = ["picture_contents", "read_picture"]

# those that Pillow decodes by itself: EPS, for one, would be run by another program
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA", "SGI")  # fmt: skip  # noqa: E501
_MOST_COMPRESSED = {"PNG": 1100.0, "BMP": 300.0, "GIF": 4000.0}  # deflate, run lengths, LZW
_BYTES = {"1": 1, "I": 4, "F": 4, "I;16": 2, "I;16B": 2}
_COLOURS_16 = (2, 4, 6)  # PNG: RGB, grey with alpha, RGBA


def read_picture(path: Path, series: int | str | None, content: Content) -> LoadedImage:
    """Read a picture; a palette becomes colours, or stays numbers where these are objects.

    Raises
    ------
    InputError
        If the picture is larger than the memory, or its depth cannot be kept.
    """
    with _opened(path) as picture:
        _check_size(path, picture)
        number, messages = _frame(path, picture, series)
        if number:
            picture.seek(number)
        data = _deep_pixels(path, picture)
        if data is None:
            data = _pixels(picture, content)
    return LoadedImage(data, {2: "YX", 3: "YXC"}.get(data.ndim), None, messages)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from PIL import Image  # not skimage.io: it leaves files open that it cannot read

    Image.init()
    # The limit guards web servers; a microscopist's 16k × 16k mosaic is no attack, and
    # _check_size looks at the size before a pixel is decoded.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN]) as picture:
            yield picture
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def picture_contents(path: Path) -> ImageContents:
    """Return what a picture holds without decoding it; of an animation, the first frame.

    Raises
    ------
    InputError
        If the file is too small for its picture, or the picture too large for the memory.
    """
    with _opened(path) as picture:
        _check_size(path, picture)
        width, height = picture.size
        bands = 3 if picture.mode == "P" else len(picture.getbands())
        shape = (height, width) if bands == 1 else (height, width, bands)
        deep = picture.mode.startswith("I;16")
        dtype = {"1": "bool", "I": "int32", "F": "float32"}.get(
            picture.mode, "uint16" if deep else "uint8"
        )
    return ImageContents((SeriesFacts(shape, dtype, "YX" if bands == 1 else "YXC"),))


def _check_size(path: Path, picture: Any) -> None:
    width, height = picture.size
    shape = (height, width, len(picture.getbands()))
    most = _MOST_COMPRESSED.get(picture.format)
    if most is not None:
        # as few as the file may have for a value: greys of a PNG may be packed
        bits = 1 if picture.mode in ("1", "P", "L") else 8
        stored = path.stat().st_size
        check_compression(path.name, np.prod(shape, dtype=float) * bits / 8, stored, most)
    check_memory(path.name, shape, 2 * _BYTES.get(picture.mode, 1))  # Pillow's copy and ours


def _frame(path: Path, picture: Any, series: int | str | None) -> tuple[int, tuple[str, ...]]:
    """Return the number of the frame to read of an animation, the first by default."""
    count = getattr(picture, "n_frames", 1)
    return chosen_number(path.name, [""] * count, series, 0, "the first")


def _deep_pixels(path: Path, picture: Any) -> NDArray[Any] | None:
    """Return colours of more than 8 bits, which Pillow would cut; None where it would not."""
    import imagecodecs

    if picture.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)
        if header[24] == 16 and header[25] in _COLOURS_16:
            return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if picture.format == "JPEG2000" and len(picture.getbands()) > 1:
        return np.asarray(imagecodecs.jpeg2k_decode(path.read_bytes()))
    if picture.format == "PPM" and picture.mode == "RGB":
        arguments = picture.tile[0][3] if picture.tile else ()
        if isinstance(arguments, tuple) and any(n > 255 for n in arguments if isinstance(n, int)):
            raise InputError(
                f"“{path.name}” is a PPM with colours of more than 8 bits, which would be cut. "
                "Save it as TIFF or PNG."
            )
    return None


def _pixels(picture: Any, content: Content) -> NDArray[Any]:
    if picture.mode == "P" and content == "image":
        return np.asarray(picture.convert("RGB"))
    if picture.mode == "P" and content == "mask":
        colours = np.reshape(picture.getpalette() or [0, 0, 0], (-1, 3))
        if colours[0].any() and (colours == colours[:, :1]).all():  # 0 is not black
            return np.asarray(picture.convert("L"))
    if picture.mode == "PA":
        return np.asarray(picture.convert("RGBA"))
    return np.asarray(picture)
