"""Objects as ImageJ's regions of interest: written."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError

from .colours import class_colours

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress

    from .model import Colours, OutlinedObject, Prepared

__all__ = ["NOTE", "load_roifile", "write_rois"]

NOTE = "napari-cytosynth "
"""Beginning of the comment of a ZIP archive that this package wrote."""
_LARGEST_NOTE = 65535  # bytes of such a comment
_MOST_POINTS = 65535  # of a region that is one outline
_LARGEST_INTEGER = 32767  # of a coordinate that every version of ImageJ reads
_LARGEST_EXACT = 2**24  # of a coordinate as a float
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # segments of a path, as java.awt.geom counts them


def load_roifile() -> Any:
    """Return the package that reads and writes ImageJ's regions.

    Raises
    ------
    OutputError
        If it is not installed.
    """
    try:
        import roifile
    except ImportError as error:
        raise OutputError("Regions of ImageJ need the package roifile: pip install roifile.") from (
            error
        )
    return roifile


def write_rois(
    path: Path, objects: Prepared, progress: Progress, *, class_colors: Colours | None = None
) -> None:
    """Write objects as regions: one for each object and plane.

    One outline becomes a traced region, several outlines or holes a composite one; points are
    corners of pixels, as ImageJ counts them. The label, the class and all other columns are
    properties of the region, the number of the class is its group.

    Parameters
    ----------
    path
        Name of the file: ``.zip``, or ``.roi`` for a single region.
    objects
        Labels and their table.
    progress
        Called after each plane.
    class_colors
        Colours of the classes. Default: of a palette.

    Raises
    ------
    OutputError
        If roifile is missing, a ``.roi`` would hold several objects, or the image is so large
        that ImageJ cannot tell its pixels apart.
    """
    writer = _RegionWriter(load_roifile(), objects, class_colors)
    found = list(objects.outlined(progress))
    writer.find_classes(found)
    if path.suffix.lower() == ".roi":
        if len(found) != 1:
            raise OutputError(
                f"A .roi file holds one region, but there are {len(found):,}: give a name that "
                "ends in .zip."
            )
        path.write_bytes(writer.region(found[0]).tobytes())
        return
    with zipfile.ZipFile(path, "w") as packed:
        for one in found:
            region = writer.region(one)
            name = zipfile.ZipInfo(f"{region.name}.roi")  # of no date: the same file each time
            packed.writestr(name, region.tobytes(), zipfile.ZIP_DEFLATED)
        packed.comment = _note(objects)


def _note(objects: Prepared) -> bytes:
    """Return the description as a comment; ImageJ and other readers pass it over.

    Of one that is too long for a comment, without the provenance, or nothing.
    """
    whole = objects.description
    for about in (whole, replace(whole, provenance={})):
        note = NOTE.encode() + json.dumps(about.as_dict(), default=str).encode()
        if len(note) <= _LARGEST_NOTE:
            return note
    return b""


class _RegionWriter:
    def __init__(self, roifile: Any, objects: Prepared, given: Colours | None) -> None:
        if max(objects.space.shape[-2:]) > _LARGEST_EXACT:
            raise OutputError(
                f"ImageJ cannot tell the pixels of images beyond {_LARGEST_EXACT:,} rows or "
                "columns apart: export as GeoJSON."
            )
        self.roifile, self.given = roifile, given
        self.classes = objects.classes
        self.sizes = objects.space.leading
        self.colours: Colours = {}

    def find_classes(self, found: list[OutlinedObject]) -> None:
        names = (one.values.get(self.classes) for one in found)
        self.colours = class_colours((str(name) for name in names if name is not None), self.given)

    def region(self, one: OutlinedObject) -> Any:
        """Return the region of an object in one plane."""
        roi = self.roifile.ImagejRoi()
        self._outline(roi, one)
        self._place(roi, one)
        roi.name = "-".join([str(one.label), *(f"{a}{n + 1:04}" for a, n in one.place.items())])
        roi.props = _properties({"label": str(one.label)} | one.values)
        name = one.values.get(self.classes)
        if name is not None:
            number = [*self.colours].index(str(name)) + 1
            roi.group = number if number < 256 else 0
            roi.stroke_color = bytes([255, *self.colours[str(name)]])
        return roi

    def _outline(self, roi: Any, one: OutlinedObject) -> None:
        rings = [ring for polygon in one.polygons for ring in polygon]
        points = np.concatenate(rings)
        (roi.left, roi.top), (roi.right, roi.bottom) = (
            points.min(0).tolist(),
            points.max(0).tolist(),
        )
        if len(rings) == 1 and len(points) <= _MOST_POINTS and points.max() <= _LARGEST_INTEGER:
            roi.roitype = self.roifile.ROI_TYPE.TRACED
            roi.integer_coordinates = (points - [roi.left, roi.top]).astype(np.int32)
            roi.n_coordinates = len(points)
            return
        path = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
        roi.roitype = self.roifile.ROI_TYPE.RECT  # a composite one, since it has a path
        roi.multi_coordinates, roi.shape_roi_size = path, len(path)
        for side in ("left", "top", "right", "bottom"):  # the path has its own numbers
            setattr(roi, side, min(getattr(roi, side), 65535))

    def _place(self, roi: Any, one: OutlinedObject) -> None:
        """Set the plane, counted from 1: a stack has numbers, only a hyperstack has Z and T."""
        if len(self.sizes) == 1:
            roi.position = next(iter(one.place.values())) + 1
        elif len(self.sizes) == 2:
            roi.z_position, roi.t_position = one.place["z"] + 1, one.place["t"] + 1


def _path(ring: Any) -> Any:
    steps = np.full((len(ring), 3), _LINE)
    steps[0, 0] = _MOVE
    steps[:, 1:] = ring
    return np.append(steps.ravel(), _CLOSE)


def _properties(values: dict[str, Any]) -> str:
    """Return lines “key: value”, with what Java's Properties would misread escaped."""
    lines = []
    for key, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"{_escaped(key, key=True)}: {_escaped(text)}\n")
    return "".join(lines)


def _escaped(text: str, *, key: bool = False) -> str:
    named = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
    special = {" ", ":", "=", "#", "!"} if key else set()
    found = []
    for place, letter in enumerate(text):
        if letter in named:
            found.append(named[letter])
        elif letter in special or (letter == " " and place == 0):
            found.append(f"\\{letter}")
        elif " " <= letter <= "~":
            found.append(letter)
        else:  # two bytes each, as Java writes what lies beyond
            code = letter.encode("utf-16-be", "surrogatepass").hex()
            found += [f"\\u{code[n : n + 4]}" for n in range(0, len(code), 4)]
    return "".join(found)
