"""Objects from ImageJ's regions of interest."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory

from .imagej import NOTE, load_roifile
from .model import FileContent, OutlinedObject
from .space import Description

if TYPE_CHECKING:
    from pathlib import Path

    from .outlines import Polygon

__all__ = ["RegionContent", "read_rois"]

_NAME = re.compile(r"([1-9][0-9]{0,18})(-[zt][0-9]+)*")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL)
_END_OF_KEY = re.compile(r"(?<!\\)(?:\\\\)*[:=]")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_LARGEST_LABEL = 2**63 - 1
_BYTES_PER_BYTE = 12
_NO_AREA = {3: "line", 4: "line", 5: "line", 6: "empty region", 9: "angle", 10: "point"}


class RegionContent(FileContent):
    """Objects of a file of regions; their planes are not known before :meth:`place`."""

    words: ClassVar[dict[str, str]] = {
        "text or picture": "text{s} or picture",
        "region with a damaged or curved outline": "region{s} with a damaged or curved outline",
    }

    def __init__(self, description: Description) -> None:
        super().__init__(description)
        self._positions: list[tuple[int, int, int]] = []

    def add(self, roi: Any, name: str) -> None:
        """Add the object of a region, if it has an area."""
        kind = int(roi.roitype)
        if kind in _NO_AREA or int(roi.subtype) in (1, 2, 4):
            self._skipped[_NO_AREA.get(kind, "text or picture")] += 1
            return
        polygons = _polygons(roi)
        if polygons is None:
            self._skipped["region with a damaged or curved outline"] += 1
            return
        texts = _properties(str(roi.props))
        label = _label(texts.pop("label", None)) or _label(name)
        kinds = self.description.kinds or {}
        values = {key: _value(text, kinds.get(key)) for key, text in texts.items()}
        if self.description.kinds is None and _label(name) is None and name:
            values.setdefault("name", name)
        if self.description.kinds is None and roi.group and "class" not in values:
            values["group"] = int(roi.group)
        self._note_colour(roi, values)
        self.objects.append(OutlinedObject(polygons, {}, label, values))
        self._positions.append((roi.position, roi.z_position, roi.t_position))

    def _note_colour(self, roi: Any, values: dict[str, Any]) -> None:
        name = values.get(self.description.classes)
        if name is not None and roi.stroke_color[0] == 255:
            red, green, blue = roi.stroke_color[1:]
            self.colours.setdefault(str(name), (red, green, blue))

    def place(self, leading: dict[str, int]) -> None:
        """Set the planes of all objects, in an image of so many planes along each axis."""
        for one, (position, z, t) in zip(self.objects, self._positions, strict=True):
            one.place = _place(leading, position, z, t)


def read_rois(path: Path) -> RegionContent:
    """Read a ``.roi``, or a ``.zip`` of them.

    Raises
    ------
    InputError
        If it holds no region, or is damaged or too large.
    """
    load_roifile()
    try:
        if path.suffix.lower() != ".zip":
            content = RegionContent(Description())
            _add(content, path.read_bytes(), path.stem, path.name)
        else:
            content = _read_zip(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"“{path.name}” cannot be unpacked: {error}. Save it again.") from error
    content.close()
    return content


def _read_zip(path: Path) -> RegionContent:
    with zipfile.ZipFile(path) as packed:
        members = [one for one in packed.infolist() if one.filename.lower().endswith(".roi")]
        comment = packed.comment
        ours = comment.startswith(NOTE.encode())
        if not members and not ours:
            raise InputError(
                f"“{path.name}” holds no region of ImageJ: there is no .roi in it. In ImageJ, "
                "save with More » Save… of the ROI Manager."
            )
        size = sum(member.file_size for member in members)
        require_memory(size * _BYTES_PER_BYTE, f"Reading “{path.name}”", "Read a part of it.")
        content = RegionContent(_described(comment[len(NOTE) :]) if ours else Description())
        for member in members:
            stem = member.filename.rpartition("/")[2][:-4]
            _add(content, packed.read(member), stem, path.name)
    return content


def _described(note: bytes) -> Description:
    try:
        return Description.from_dict(json.loads(note))
    except (ValueError, RecursionError):
        return Description()


def _add(content: RegionContent, data: bytes, name: str, file: str) -> None:
    roifile = load_roifile()
    try:
        roi = roifile.ImagejRoi.frombytes(data)
    except (ValueError, TypeError, IndexError, struct.error, UnicodeError, OverflowError) as error:
        raise InputError(f"“{name}” in “{file}” is no region of ImageJ: {error}.") from error
    content.add(roi, name)


# -- what a region says -----------------------------------------------------------------------


def _place(leading: dict[str, int], position: int, z: int, t: int) -> dict[str, int]:
    """Return the plane of a region from numbers that count from 1; 0 stands for all."""
    named = {axis: n - 1 for axis, n in (("z", z), ("t", t)) if n > 0}
    if named:
        if len(leading) == 1 and not {*named} & {*leading}:  # a stack called otherwise
            return {axis: next(iter(named.values())) for axis in leading}
        return {axis: n for axis, n in named.items() if axis in leading or n}
    if position <= 0 or not leading:
        return {}
    if len(leading) == 1:
        return dict.fromkeys(leading, position - 1)
    frame, plane = divmod(position - 1, leading["z"] or 1)  # ImageJ counts Z before T
    return {"z": plane, "t": frame}


def _label(text: Any) -> int | None:
    found = _NAME.fullmatch(str(text)) if text is not None else None
    number = int(found[1]) if found else 0
    return number if 0 < number <= _LARGEST_LABEL else None


def _properties(text: str) -> dict[str, str]:
    """Return the properties of a region, as Java reads them."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        end = _END_OF_KEY.search(line)
        if end and line[:1] not in ("#", "!"):
            key, value = line[: end.end() - 1], line[end.end() :]
            found[_unescaped(key.strip())] = _unescaped(value.lstrip(" \t").rstrip("\r"))
    return found


def _unescaped(text: str) -> str:
    def letter(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return _LETTERS.get(found[2], found[2])

    plain = _ESCAPE.sub(letter, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _value(text: str, kind: str | None) -> Any:
    """Return the value of a column of a kind; of an unknown one a number where the text is one."""
    if kind in ("text", "bool"):
        return text
    for convert in (int, float):
        try:
            number = convert(text)
        except ValueError:
            continue
        if kind is not None or convert is float or str(number) == text:
            return number
        return text  # 007
    return text


# -- outlines ---------------------------------------------------------------------------------


def _polygons(roi: Any) -> list[Polygon] | None:
    """Return the outlines of a region; None if they cannot be had.

    Those of a composite one are filled together by the even-odd rule, as ImageJ does.
    """
    try:
        if roi.composite:
            rings = roi.coordinates(multi=True)
        elif int(roi.roitype) in (1, 2):
            rings = [_box_or_oval(roi)]
        else:
            rings = [roi.coordinates()]
    except (NotImplementedError, RuntimeError, IndexError, ValueError, OverflowError):
        return None
    rings = [np.asarray(ring, float).reshape(-1, 2) for ring in rings if len(ring)]
    if not all(np.isfinite(ring).all() for ring in rings):
        return None
    return [rings] if rings else None


def _box_or_oval(roi: Any) -> Any:
    if roi.subpixelrect:
        left, top, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
    else:
        left, top = roi.left, roi.top
        width, height = roi.right - roi.left, roi.bottom - roi.top
    if int(roi.roitype) == 1:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    else:
        angle = np.linspace(0, 2 * np.pi, 361)[:-1]
        corners = 0.5 + 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return corners * [width, height] + [left, top]
