"""The provenance of files on disk, and whether they are still as they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError
from napari_cytosynth.files import user_path

from .destination import RECORD
from .records import (
    embedded_record,
    file_digest,
    files_of,
    is_sealed,
    read_record,
    stored_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["AS_WRITTEN", "Finding", "find_provenance"]

AS_WRITTEN = "as it was written"
_RESAVED = "saved again by another program, with the same pixels"
_CHANGED = "changed since it was written"
_MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """A provenance record, and the state of the files that it is about.

    Attributes
    ----------
    place
        The file that holds the record.
    record
        The record.
    states
        For each file, in words, whether it is as it was written.
    """

    place: Path
    record: dict[str, Any]
    states: dict[str, str] = field(default_factory=dict)

    @property
    def intact(self) -> bool:
        """Whether no file, nor the record, was changed or is missing."""
        return not {_CHANGED, _MISSING} & set(self.states.values())


def find_provenance(path: str | Path) -> list[Finding]:
    """Return the records of a file, or of the results in a folder, and check the files.

    Parameters
    ----------
    path
        A file that a task wrote (image, table, picture, film, record), an OME-Zarr, or a folder
        of results; ``~`` is expanded.

    Returns
    -------
    list of Finding

    Raises
    ------
    InputError
        If there is none, or no record of ours belongs to it.
    """
    path = user_path(path)
    if not path.exists():
        raise InputError(f"There is no file or folder “{path}”.")
    try:
        found = list(_findings(path))
    except OSError as error:
        raise InputError(f"“{path}” cannot be read: {error.strerror or error}.") from error
    if not found:
        raise InputError(
            f"“{path}” has no provenance: napari-cytosynth did not write it, or another program "
            "has saved it again without the record."
        )
    return found


def _findings(path: Path) -> Iterator[Finding]:
    if path.suffix.lower() == ".zarr" or not path.is_dir():
        own = read_record(path) if path.suffix.lower() == ".json" else None
        finding = _of_record(path, own) if own is not None else _of_file(path)
        if finding is not None:
            yield finding
        return
    records = {file: read_record(file) for file in sorted(path.glob(f"*{RECORD}"))}
    found = [_of_record(file, record) for file, record in records.items() if record is not None]
    told = {name for finding in found for name in finding.states}
    yield from found
    for file in sorted(path.iterdir()):  # moved here without their record
        record = None if file.name in told else embedded_record(file)
        if record is not None:
            yield Finding(file, record, {file.name: _embedded_state(file, record)})


def _of_record(file: Path, record: dict[str, Any]) -> Finding:
    states = {name: _state(file.parent / name, facts) for name, facts in files_of(record).items()}
    return Finding(file, record, {file.name: _seal_state(record)} | states)


def _of_file(path: Path) -> Finding | None:
    """Return the finding of a single file: by its own record, or by one beside it."""
    record = embedded_record(path)
    if record is not None:
        return Finding(path, record, {path.name: _embedded_state(path, record)})
    path = path.absolute()
    for folder in (path.parent, path.parent.parent):
        name = path.relative_to(folder).as_posix()
        for file in sorted(folder.glob(f"*{RECORD}")):
            record = read_record(file)
            if record is not None and name in files_of(record):
                state = _state(path, files_of(record)[name])
                return Finding(file, record, {file.name: _seal_state(record), name: state})
    return None


def _seal_state(record: dict[str, Any]) -> str:
    return AS_WRITTEN if is_sealed(record) else _CHANGED


def _embedded_state(path: Path, record: dict[str, Any]) -> str:
    if not is_sealed(record):
        return _CHANGED
    if "pixels" not in record:  # a film
        return AS_WRITTEN
    return AS_WRITTEN if record["pixels"] == stored_pixels(path) else _CHANGED


def _state(path: Path, facts: dict[str, Any]) -> str:
    if not path.exists():
        return _MISSING
    if not (path.is_file() or path.is_dir()):  # a pipe would be waited for, a device never ends
        return _CHANGED
    if facts.get("sha256") == file_digest(path):
        return AS_WRITTEN
    pixels = None if path.suffix.lower() == ".zarr" else facts.get("pixels")
    return _RESAVED if pixels is not None and pixels == stored_pixels(path) else _CHANGED
