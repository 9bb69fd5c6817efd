"""Objects from GeoJSON, as this package and QuPath write it."""

from __future__ import annotations

import gzip
import json
import math
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory
from napari_cytosynth.tasks.common.provenance import KEY

from .colours import as_hex, from_json
from .geojson import OBJECT_TYPES
from .model import FileContent, OutlinedObject
from .space import Description

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .outlines import Polygon

__all__ = ["GeoJsonContent", "parse_geojson", "read_geojson"]

_LARGEST_LABEL = 2**63 - 1
_BYTES_PER_BYTE = 12  # of JSON as Python's objects
_OLD_TYPES = {
    "PathDetectionObject": "detection",
    "PathAnnotationObject": "annotation",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
}
_NUMBER = re.compile("[1-9][0-9]{0,18}")
_GEOMETRIES = {
    "Point": "point", "MultiPoint": "point", "LineString": "line", "MultiLineString": "line"
}  # fmt: skip


def read_geojson(path: Path) -> GeoJsonContent:
    """Read a file of GeoJSON; it may be compressed (``.gz``) or packed (``.zip``), as by QuPath.

    Raises
    ------
    InputError
        If it holds no GeoJSON, or is too large.
    """
    try:
        return parse_geojson(_content(path), path.name)
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as e:
        raise InputError(f"“{path.name}” is damaged: {e}. Export it again.") from e
    except RuntimeError as error:  # a password
        raise InputError(f"“{path.name}” cannot be unpacked: {error}.") from error


def _content(path: Path) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            members = [i for i in packed.infolist() if i.filename.lower().endswith("json")]
            _check_size(path, sum(member.file_size for member in members[:1]))
            return packed.read(members[0]) if members else b""
    if suffix != ".gz":
        _check_size(path, path.stat().st_size)
        return path.read_bytes()
    _check_size(path, path.stat().st_size)
    parts, size = [], 0
    with gzip.open(path) as file:
        while block := file.read(1 << 24):
            size += len(block)
            _check_size(path, size)
            parts.append(block)
    return b"".join(parts)


def _check_size(path: Path, size: int) -> None:
    require_memory(
        size * _BYTES_PER_BYTE, f"Reading “{path.name}”", "Export a part of the objects at a time."
    )


class GeoJsonContent(FileContent):
    """Objects of a GeoJSON file."""

    words: ClassVar[dict[str, str]] = {
        "damaged": "object{s} with damaged outlines",
        "empty": "object{s} without an outline",
    }

    def add(self, feature: dict[str, Any]) -> None:
        """Add the object of a feature, if it has an area."""
        polygons, skipped = _polygons(feature.get("geometry"))
        if not polygons:
            self._skipped[skipped] += 1
            return
        properties = _as_dict(feature.get("properties"))
        values, name = self._values(feature, properties)
        one = OutlinedObject(polygons, _plane(feature.get("geometry")), None, values)
        one.label = _label(properties, name)
        if self.description.kinds is None and name and name != str(one.label):
            values["name"] = name
        elif self.description.kinds is not None and "name" in self.description.kinds:
            values |= {"name": name} if name else {}
        if feature.get("nucleusGeometry") is not None:
            one.nucleus = _polygons(feature["nucleusGeometry"])[0]
        self.objects.append(one)

    def _values(
        self, feature: dict[str, Any], properties: dict[str, Any]
    ) -> tuple[dict[str, Any], str | None]:
        """Return the values of a feature's row, and its name."""
        values = {k: v for k, v in _measurements(properties).items() if v is not None}
        metadata = _as_dict(properties.get("metadata"))
        values |= {k: v for k, v in metadata.items() if k != "label" and _is_plain(v)}
        own = self.description.kinds is not None
        columns = self.description.kinds or {}
        kind = _object_type(feature, properties)
        if not own or "object_type" in columns:
            values["object_type"] = kind
        if (colour := from_json(properties.get("color"))) is not None:
            values["color"] = as_hex(colour)
        locked = properties.get("isLocked") is True
        if locked or "locked" in columns:
            values["locked"] = locked
        if (name := self._class(properties.get("classification"))) is not None:
            values[self.description.classes] = name
        text = properties.get("name")
        return values, str(text) if _is_plain(text) else None

    def _class(self, found: Any) -> str | None:
        """Return the name of a class; note its colour."""
        if isinstance(found, str):
            return found
        found = _as_dict(found)
        names = found.get("names")
        name = ": ".join(map(str, names)) if isinstance(names, list) else found.get("name")
        if not isinstance(name, str) or not name:
            return None
        if (colour := from_json(found.get("color", found.get("colorRGB")))) is not None:
            self.colours.setdefault(name, colour)
        return name


def parse_geojson(content: bytes, name: str) -> GeoJsonContent:
    """Return the objects of GeoJSON.

    Parameters
    ----------
    content
        A FeatureCollection, features, or bare geometries.
    name
        Name of the file, for messages.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"“{name}” is no GeoJSON: {str(error)[:200]}. In QuPath, export with File › Export "
            "objects as GeoJSON."
        ) from error
    note = whole.get(KEY) if isinstance(whole, dict) else None
    found = GeoJsonContent(Description.from_dict(note))
    features = list(_features(whole))
    if not features and not _is_collection(whole):
        raise InputError(f"“{name}” holds JSON, but no GeoJSON: there is no feature in it.")
    for feature in features:
        found.add(feature)
    found.close()
    return found


def _is_collection(whole: Any) -> bool:
    return whole == [] or (isinstance(whole, dict) and whole.get("type") == "FeatureCollection")


def _features(whole: Any) -> Iterator[dict[str, Any]]:
    """Yield all features, those within others (of QuPath's hierarchy) too."""
    waiting = [whole]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            kind = item.get("type")
            if kind == "FeatureCollection":
                waiting.append(item.get("features") or [])
            elif kind == "Feature":
                properties = _as_dict(item.get("properties"))
                waiting.append(properties.get("childObjects") or properties.get("children") or [])
                if properties.get("objectType") != "root":
                    yield item
            elif kind in (*_GEOMETRIES, "Polygon", "MultiPolygon", "GeometryCollection"):
                yield {"geometry": item}


# -- values -----------------------------------------------------------------------------------


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _measurements(properties: dict[str, Any]) -> dict[str, Any]:
    """Return measurements: an object, or, before QuPath 0.4, a list of names and values."""
    found = properties.get("measurements")
    if isinstance(found, list):
        pairs = [(_as_dict(item).get("name"), _as_dict(item).get("value")) for item in found]
        found = {str(name): value for name, value in pairs if name is not None}
    return {
        str(name): None if isinstance(v, float) and math.isnan(v) else v
        for name, v in _as_dict(found).items()
        if v is None or _is_plain(v)
    }


def _object_type(feature: dict[str, Any], properties: dict[str, Any]) -> str:
    for key in ("objectType", "object_type", "type"):
        if isinstance(properties.get(key), str):
            kind: str = properties[key]
            return kind if kind in OBJECT_TYPES else _OLD_TYPES.get(kind, "annotation")
    return _OLD_TYPES.get(str(feature.get("id")), "annotation")


def _label(properties: dict[str, Any], name: str | None) -> int | None:
    """Return the number that an object had: in its metadata, or as its name."""
    for text in (_as_dict(properties.get("metadata")).get("label"), name):
        if text is not None and _NUMBER.fullmatch(str(text)) and int(text) <= _LARGEST_LABEL:
            return int(text)
    return None


def _plane(geometry: Any) -> dict[str, int]:
    plane = _as_dict(_as_dict(geometry).get("plane"))
    found = {axis: plane.get(axis, 0) for axis in "zt"}
    return {axis: n if type(n) is int else 0 for axis, n in found.items()}


# -- outlines ---------------------------------------------------------------------------------


def _polygons(geometry: Any) -> tuple[list[Polygon], str]:
    """Return the polygons of a geometry, and what else it is if there are none."""
    found: list[Polygon] = []
    other, waiting = "empty", [geometry]
    while waiting:
        item = _as_dict(waiting.pop())
        kind, coordinates = item.get("type"), item.get("coordinates")
        if kind == "GeometryCollection":
            waiting.extend(item["geometries"] if isinstance(item.get("geometries"), list) else [])
        elif kind in ("Polygon", "MultiPolygon"):
            parts = [coordinates] if kind == "Polygon" else coordinates
            polygons = [_polygon(part) for part in (parts if isinstance(parts, list) else [None])]
            if any(polygon is None for polygon in polygons):
                return [], "damaged"
            found += [polygon for polygon in polygons if polygon]
        else:
            other = _GEOMETRIES.get(str(kind), other)
    return found, other


def _polygon(rings: Any) -> Polygon | None:
    """Return the rings of a polygon; None if a coordinate is no number."""
    if not isinstance(rings, list):
        return None
    found: Polygon = []
    for ring in rings:
        try:
            points = np.asarray(ring, float)
        except (TypeError, ValueError, OverflowError):
            return None
        if points.size == 0:
            continue
        if points.ndim != 2 or points.shape[1] < 2 or not np.isfinite(points[:, :2]).all():
            return None
        found.append(points[:, :2])
    return found
