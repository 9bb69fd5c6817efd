"""The description of an OME-TIFF, read without trusting it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OmeDescription", "check_entities", "leaves_folder", "read_description"]

_MOST_PLANES = 10_000_000


@dataclass(frozen=True)
class OmeDescription:
    """Parts of an OME-XML description.

    Attributes
    ----------
    pixels
        The attributes of ``Pixels`` of each image.
    files
        Names of all files of the data set, as they are written.
    """

    pixels: tuple[Mapping[str, str], ...] = ()
    files: tuple[str, ...] = ()

    def other_files(self, own: str) -> list[str]:
        """Return the files beside the one called `own`."""
        return sorted({name for name in self.files if name.lower() != own.lower()})


def check_entities(text: str, name: str) -> None:
    """Check that XML declares no entities, which could grow without bound or read other files.

    Raises
    ------
    InputError
        If it does.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            f"The description inside “{name}” declares entities, which no microscope writes and "
            "which can do harm: the file is not read. Export the image again as TIFF."
        )


def read_description(text: str, name: str) -> OmeDescription:
    """Parse the description of the file `name`; what is no XML says nothing.

    Raises
    ------
    InputError
        If it declares entities, or more planes than any microscope takes.
    """
    check_entities(text, name)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return OmeDescription()
    pixels, files = [], []
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "Pixels":
            pixels.append(element.attrib)
            _check_planes(name, *(element.get(f"Size{axis}", "1") for axis in "ZCT"))
        elif tag == "TiffData":
            for key in ("IFD", "NumPlanes", "PlaneCount"):
                _check_planes(name, element.get(key, "0"))
        elif tag == "UUID" and element.get("FileName"):
            files.append(element.attrib["FileName"])
    return OmeDescription(tuple(pixels), tuple(files))


def _check_planes(name: str, *counts: str) -> None:
    try:
        planes = math.prod(int(count) for count in counts)
    except ValueError as error:
        raise InputError(
            f"The description inside “{name}” counts planes as {counts}, which are not numbers: "
            "the file is damaged."
        ) from error
    if planes > _MOST_PLANES:
        raise InputError(
            f"The description inside “{name}” counts {planes:,} planes: the file is damaged."
        )


def leaves_folder(name: str) -> bool:
    """Whether the name of a file of a data set points out of the data set's folder."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)
