"""What an earlier run has done, as the provenance beside its files proves."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.records import (
    family,
    file_digest,
    files_of,
    is_sealed,
    read_record,
)

if TYPE_CHECKING:
    from pathlib import Path

    from .records import BatchItem

__all__ = ["KEY", "EarlierResult", "earlier_result", "input_state"]

KEY = "batch"
"""Key of what a batch adds to the provenance of a result."""


@dataclass(frozen=True)
class EarlierResult:
    """A result that is there already.

    Attributes
    ----------
    record
        Its provenance record.
    changed
        Names of its files that were changed since.
    """

    record: dict[str, Any]
    changed: tuple[str, ...] = ()


def input_state(item: BatchItem) -> dict[str, Any]:
    """Return what tells an input from an altered one: name, size and time of the last change.

    Of a Zarr, those of all its files but for the labels in it; of labels, also those of the
    image that they are measured in.

    Raises
    ------
    OSError
        If it is not there any more.
    """
    state: dict[str, Any] = {"name": item.path.name, "series": item.series}
    state |= _state(item.place)
    if item.intensity is not None:
        state["intensity"] = {"name": item.intensity.name, **_state(item.intensity)}
    return state


def _state(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        found = path.stat()
        return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
    whole, total = hashlib.sha256(), 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        if folder == str(path) and "labels" in folders:
            folders.remove("labels")  # made from the image, perhaps by an earlier run
        for name in sorted(names):
            found = os.stat(os.path.join(folder, name))
            relative = os.path.relpath(os.path.join(folder, name), path)
            whole.update(
                f"{relative}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
            total += found.st_size
    return {"size": total, "files": whole.hexdigest()}


def earlier_result(item: BatchItem, out: Path, task: str, settings: str) -> EarlierResult | None:
    """Return the result of an item, if it is proven to be of this image with these settings.

    Parameters
    ----------
    item
        The item.
    out
        Folder of all results.
    task
        ``segment``, ``stain`` or ``measure``.
    settings
        Digest of the settings.
    """
    destination = find_destination(out / item.folder, task, stem=item.stem)
    record = read_record(destination.folder / destination.record)
    if record is None or not is_sealed(record) or family(record) != task:
        return None
    known = record.get(KEY)
    if not isinstance(known, dict) or known.get("settings") != settings:
        return None
    try:
        if known.get("input") != input_state(item):
            return None
        listed = files_of(record)
        changed = []
        for name, facts in listed.items():
            if not os.path.lexists(destination.folder / name):
                return None
            if facts.get("sha256") != file_digest(destination.folder / name):
                changed.append(name)
    except OSError:  # the image, or a part of the result, cannot be read
        return None
    return EarlierResult(record, tuple(changed)) if listed else None
