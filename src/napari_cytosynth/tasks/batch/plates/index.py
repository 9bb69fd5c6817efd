"""The metadata of new plates: they list the fields that are there, at any moment, and no other."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from napari_cytosynth.files import explained_errors, replace_file
from napari_cytosynth.tasks.common.provenance import KEY, made_now
from napari_cytosynth.tasks.export.records import as_json, sealed

from .layout import PlateLayout, acquisition_of, in_order, split_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.tasks.batch.records import BatchItem

__all__ = ["PlateIndex", "plate_of"]

_VERSION = "0.5"


class PlateIndex:
    """Lists fields in their plates as they are done; only one process does so.

    Parameters
    ----------
    out
        Folder of all results.
    task
        ``segment`` or ``stain``.
    items
        All images of the run; those whose results are no fields of plates do not matter.
    """

    def __init__(self, out: Path, task: str, items: Sequence[BatchItem]) -> None:
        self.out, self.task = out, task
        sources: dict[Path, Path] = {}
        wells: dict[Path, set[str]] = defaultdict(set)
        for item in items:
            if item.zarr:
                sources[plate_of(item)] = item.path
                wells[plate_of(item)].add(split_name(str(item.series))[0])
        self._layouts = {
            plate: PlateLayout.of(source, wells[plate]) for plate, source in sources.items()
        }
        self._plates = {plate: self._known(plate) for plate in sources}

    def add(self, item: BatchItem) -> None:
        """List the field of an item, which has been written.

        Raises
        ------
        OutputError
            If the metadata cannot be written.
        """
        if not item.zarr:
            return
        plate, (well, within) = plate_of(item), split_name(str(item.series))
        fields = self._plates[plate].setdefault(well, {})
        if within in fields:
            return
        fields[within] = acquisition_of(item.path / well, within)
        place = self.out / plate
        with explained_errors(place):
            _write(place / well.split("/")[0], {})
            _write(place / well, {"ome": _well(fields)})
            _write(place, {"ome": self._plate(plate), KEY: self._record(plate)})

    def _known(self, plate: Path) -> dict[str, dict[str, int | None]]:
        """Return what earlier runs have listed and is still there."""
        listed = _read(self.out / plate).get("plate", {}).get("wells", [])
        found: dict[str, dict[str, int | None]] = {}
        for well in [str(one["path"]) for one in listed]:
            place = self.out / plate / well
            images = _read(place).get("well", {}).get("images", [])
            fields = {str(image["path"]): image.get("acquisition") for image in images}
            there = {name: number for name, number in fields.items() if (place / name).is_dir()}
            if there:
                found[well] = there
        return found

    def _plate(self, plate: Path) -> dict[str, Any]:
        layout, wells = self._layouts[plate], self._plates[plate]
        rows, columns = (
            list(dict.fromkeys((*known, *in_order(well.split("/")[part] for well in wells))))
            for part, known in enumerate((layout.rows, layout.columns))
        )
        listed = [
            {"path": f"{row}/{column}", "rowIndex": y, "columnIndex": x}
            for y, row in enumerate(rows)
            for x, column in enumerate(columns)
            if f"{row}/{column}" in wells
        ]
        described: dict[str, Any] = {
            "name": plate.stem,
            "rows": [{"name": name} for name in rows],
            "columns": [{"name": name} for name in columns],
            "wells": listed,
            "field_count": max(map(len, wells.values())),
        }
        if layout.acquisitions:
            described["acquisitions"] = list(layout.acquisitions)
        return {"version": _VERSION, "plate": described}

    def _record(self, plate: Path) -> dict[str, Any]:
        """Return the record by which the plate is known as a result, and is no input."""
        record: dict[str, Any] = sealed({**made_now(), "task": self.task, "plate": plate.name})
        return record


def plate_of(item: BatchItem) -> Path:
    """Return the new plate of an item, below the folder of all results."""
    return item.folder.parent.parent


def _well(fields: dict[str, int | None]) -> dict[str, Any]:
    images = [
        {"path": name} if fields[name] is None else {"path": name, "acquisition": fields[name]}
        for name in in_order(fields)
    ]
    return {"version": _VERSION, "well": {"images": images}}


def _read(group: Path) -> dict[str, Any]:
    """Return the OME metadata that an earlier run wrote; none where there are none."""
    try:
        found = json.loads((group / "zarr.json").read_bytes())["attributes"]["ome"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(group: Path, attributes: dict[str, Any]) -> None:
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    text = as_json(content, indent=2)
    if attributes or not (group / "zarr.json").is_file():
        replace_file(group / "zarr.json", text)
