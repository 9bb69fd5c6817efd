"""Writer of TIFF with axes, pixel size and provenance, shared by all results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.files import replacing

from .records import TAG, as_json, pixel_digest, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "SAMPLE_AXIS",
    "ImageFacts",
    "axis_sizes",
    "write_tiff",
    "xml_text",
]

SAMPLE_AXIS = "Q"
"""Axis of the samples of one prediction, for which OME has no letter."""
_OME_AXES = "TCZYXS"
_NO_TEXT = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class ImageFacts:
    """Plain facts of a result for its files, beside the pixels.

    Attributes
    ----------
    axes
        One letter for each axis of the arrays.
    pixel_size
        In µm along Y and X, or along Z, Y and X; None if unknown.
    channels
        Names along the axis C. Default: none.
    objects
        Name of the labelled objects. Default: "objects".
    """

    axes: str
    pixel_size: tuple[float, ...] | None
    channels: tuple[str, ...] = ()
    objects: str = "objects"


def write_tiff(
    path: Path,
    array: Any,
    axes: str,
    pixel_size: Sequence[float] | None = None,
    channels: Sequence[str] = (),
    description: str = "",
    *,
    rgb: bool = False,
    record: dict[str, Any] | None = None,
) -> str:
    """Write an OME-TIFF and return a digest of its pixels.

    Parameters
    ----------
    path
        Name of the file; one that exists is replaced.
    array
        Array with these axes; integers are compressed without loss.
    axes
        One letter for each axis; in the file, Y and X come last. With axes that OME does not
        know (a position …), it is a plain TIFF whose description names them and the pixel
        size.
    pixel_size
        In µm along Y and X, or along Z, Y and X. Default: None.
    channels
        Names along the axis C. Default: none.
    description
        Description in the file's metadata. Default: none.
    rgb
        The axis S holds the red, green and blue of a colour picture, and comes last. Default:
        False, it counts planes as any other letter.
    record
        Provenance record to embed, with the digest of the pixels. Default: None.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    import tifffile

    axes = axes if rgb else _without_samples(axes)
    last = "YXS" if rgb else "YX"
    places = [axes.index(axis) for axis in last]
    array = np.moveaxis(np.asarray(array), places, range(-len(last), 0))
    axes = "".join(axis for axis in axes if axis not in last) + last
    ome = set(axes) <= set(_OME_AXES)
    metadata = {"axes": axes} | _metadata(axis_sizes(axes, pixel_size), channels, description)
    options: dict[str, Any] = {"ome": ome, "metadata": metadata}
    if not ome and pixel_size is not None:
        per_cm = (1e4 / pixel_size[-1], 1e4 / pixel_size[-2])
        options |= {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
    if array.dtype.kind in "iu":
        options["compression"] = "zlib"
    pixels = pixel_digest(array)
    if record is not None:
        text = as_json(sealed(record | {"pixels": pixels}))
        options["extratags"] = [(TAG, "s", 0, text, True)]
    photometric = "rgb" if rgb else "minisblack"
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, array, photometric=photometric, **options)
    return pixels


def _without_samples(axes: str) -> str:
    """Return axes whose S, which would be read as colours, has a letter of no such meaning."""
    free = next(letter for letter in "PRVMLAIEH" if letter not in axes)
    return axes.replace("S", free)


def axis_sizes(axes: str, pixel_size: Sequence[float] | None) -> dict[str, float]:
    """Return the size in µm along each of the axes that have one."""
    if pixel_size is None:
        return {}
    sizes = dict(zip("ZYX"[-len(pixel_size) :], pixel_size, strict=True))
    return {axis: float(size) for axis, size in sizes.items() if axis in axes}


def _metadata(sizes: dict[str, float], channels: Sequence[str], description: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if channels:
        metadata["Channel"] = {"Name": [xml_text(name) for name in channels]}
    if description:
        metadata["Description"] = xml_text(description)
    return metadata


def xml_text(text: str) -> str:
    """Return a text without the control characters that no XML can hold."""
    return "".join(letter if _is_xml(letter) else " " for letter in text)


def _is_xml(letter: str) -> bool:
    return letter == "\n" or (letter >= " " and not _NO_TEXT.match(letter))
