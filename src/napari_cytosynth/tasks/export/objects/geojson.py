"""Objects as GeoJSON that QuPath reads: written."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_choice
from napari_cytosynth.tasks.common.provenance import KEY

from .colours import class_colours, from_hex

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress

    from .model import Colours, OutlinedObject, Prepared
    from .outlines import Polygon

__all__ = ["OBJECT_TYPES", "SPECIAL", "write_geojson"]

OBJECT_TYPES = ("detection", "annotation", "cell", "tile")
SPECIAL = ("name", "locked", "color", "object_type")
"""Columns that have a place of their own in a feature, beside the class."""


def write_geojson(
    path: Path,
    objects: Prepared,
    progress: Progress,
    *,
    object_type: str = "detection",
    class_colors: Colours | None = None,
) -> None:
    """Write objects as a FeatureCollection, one feature for each object and plane.

    Numbers become measurements and all else metadata, among it the label; both survive QuPath.
    What QuPath does not know (shape, axes, kinds of columns, provenance) is a further member of
    the collection.

    Parameters
    ----------
    path
        Name of the file.
    objects
        Labels and their table.
    progress
        Called after each plane.
    object_type
        Kind of object in QuPath: ``detection`` (default), ``annotation``, ``cell`` or ``tile``,
        where the column ``object_type`` names none; objects with a nucleus are cells.
    class_colors
        Colours of the classes. Default: of a palette.
    """
    check_choice(object_type, "object_type", OBJECT_TYPES)
    found = list(objects.outlined(progress))
    names = (one.values.get(objects.classes) for one in found)
    colours = class_colours((str(name) for name in names if name is not None), class_colors)
    writer = _FeatureWriter(objects.classes, object_type, colours, _namespace(objects))
    with path.open("w", encoding="ascii", newline="\n") as file:
        note = json.dumps(objects.description.as_dict(), default=str)
        file.write(f'{{"type": "FeatureCollection", "{KEY}": {note}, "features": [')
        for number, one in enumerate(found):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(writer.feature(one), allow_nan=False))
        file.write("\n]}\n")


def _namespace(objects: Prepared) -> uuid.UUID:
    """Return a namespace for the ids of these objects: the same labels always get the same."""
    digest = hashlib.sha256(repr(objects.space.shape).encode())
    for index in objects.planes:
        digest.update(objects.read(index).astype("<i8").tobytes())
    return uuid.UUID(bytes=digest.digest()[:16])


class _FeatureWriter:
    def __init__(
        self, classes: str, object_type: str, colours: Colours, namespace: uuid.UUID
    ) -> None:
        self.classes, self.object_type = classes, object_type
        self.colours, self.namespace = colours, namespace

    def feature(self, one: OutlinedObject) -> dict[str, Any]:
        """Return the feature of an object in one plane."""
        identity = f"{one.label} {sorted(one.place.items())}"
        feature: dict[str, Any] = {
            "type": "Feature",
            "id": str(uuid.uuid5(self.namespace, identity)),
            "geometry": _geometry(one.polygons, one.place),
        }
        if one.nucleus:
            feature["nucleusGeometry"] = _geometry(one.nucleus, one.place)
        return feature | {"properties": self._properties(one)}

    def _properties(self, one: OutlinedObject) -> dict[str, Any]:
        values = dict(one.values)
        special = {name: values.pop(name, None) for name in SPECIAL}
        name = values.pop(self.classes, None)
        kind = special["object_type"]
        if kind not in OBJECT_TYPES:
            kind = "cell" if one.nucleus else self.object_type
        own = str(one.label) if special["name"] is None else str(special["name"])
        found: dict[str, Any] = {"objectType": kind, "name": own}
        if (colour := from_hex(special["color"])) is not None:
            found["color"] = list(colour)
        if name is not None:
            found["classification"] = {"name": str(name), "color": list(self.colours[str(name)])}
        if special["locked"] in (True, "true"):
            found["isLocked"] = True
        measurements, metadata = _split(values)
        found["measurements"] = measurements
        found["metadata"] = {"label": str(one.label)} | metadata
        return found


def _split(values: dict[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return what QuPath can measure, and the rest as texts."""
    measurements: dict[str, float] = {}
    metadata: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            metadata[name] = str(value).lower()
        elif isinstance(value, int | float) and math.isfinite(value):
            measurements[name] = value
        else:
            metadata[name] = str(value)
    return measurements, metadata


def _geometry(polygons: list[Polygon], place: dict[str, int]) -> dict[str, Any]:
    rings = [[_closed(ring.tolist()) for ring in polygon] for polygon in polygons]
    several = len(rings) > 1
    found: dict[str, Any] = {
        "type": "MultiPolygon" if several else "Polygon",
        "coordinates": rings if several else rings[0],
    }
    if any(place.values()):  # QuPath leaves out the first plane, too; c -1: of all channels
        found["plane"] = {"c": -1, "z": place.get("z", 0), "t": place.get("t", 0)}
    return found


def _closed(ring: list[Any]) -> list[Any]:
    return [*ring, ring[0]]
