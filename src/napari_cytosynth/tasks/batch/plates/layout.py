"""Rows, columns and wells of a plate: those of the source, as its metadata name them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["PlateLayout", "acquisition_of", "in_order", "is_plate", "split_name"]


@dataclass(frozen=True)
class PlateLayout:
    """What a new plate takes over from its source.

    Attributes
    ----------
    rows, columns
        Names of all rows and columns, in their order.
    acquisitions
        As the source lists them. Default: none.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    acquisitions: tuple[dict[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, plate: Path, wells: Iterable[str]) -> PlateLayout:
        """Return the layout of a source whose images lie in these wells (``A/1``)."""
        known = _attributes(plate).get("plate") or {}
        used = [well.split("/") for well in wells]
        rows = _names(known.get("rows"), [row for row, _ in used])
        columns = _names(known.get("columns"), [column for _, column in used])
        listed = known.get("acquisitions")
        kept = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return cls(rows, columns, tuple(kept))


def is_plate(path: Path, names: Iterable[str]) -> bool:
    """Return whether a Zarr is a plate, each of whose images is called row/column/field."""
    return all(name.count("/") == 2 for name in names) and "plate" in _attributes(path)


def split_name(name: str) -> tuple[str, str]:
    """Return well (``A/1``) and field (``0``) of an image of a plate."""
    well, _, within = name.rpartition("/")
    return well, within


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted with their numbers as numbers, each once: 2 before 10."""
    parts = {name: re.split(r"(\d+)", name) for name in names}
    key = {
        name: [(int(p), "") if p.isdecimal() else (-1, p) for p in parts[name]] for name in parts
    }
    return sorted(key, key=lambda name: key[name])


def acquisition_of(well: Path, within: str) -> int | None:
    """Return the acquisition of a field of a source; None where it has none."""
    listed = (_attributes(well).get("well") or {}).get("images")
    for image in listed if isinstance(listed, list) else ():
        if isinstance(image, dict) and image.get("path") == within:
            number = image.get("acquisition")
            return number if isinstance(number, int) else None
    return None


def _attributes(path: Path) -> dict[str, Any]:
    """Return the OME metadata of a group of any version; none where they cannot be read."""
    import zarr

    try:
        attributes: Any = dict(zarr.open_group(path, mode="r").attrs)
    except Exception:  # whatever zarr makes of a damaged file: the reader of images says it
        return {}
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) else {}


def _names(listed: Any, used: list[str]) -> tuple[str, ...]:
    """Return the names that a source lists, if all that are used are among them."""
    entries = listed if isinstance(listed, list) else []
    names = [str(one.get("name")) for one in entries if isinstance(one, dict)]
    return tuple(names) if set(used) <= set(names) else tuple(in_order(used))
