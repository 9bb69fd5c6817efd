"""Saving a result as a whole: all files are written aside and then put in place together.

First they are written into a hidden folder of this process, then, while the destination is
held against other processes, the earlier record is taken away, the files are put in place, and
the new record comes last. At any moment each image carries its own record, and no record lies
beside images that it does not describe; what a killed process left is finished by the next one.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.files import (
    abandoned_folders,
    exchange,
    explained_errors,
    hold,
    scratch_folder,
)

from .destination import Earlier, check_destination
from .records import as_json, file_digest, files_of, image_of, read_record, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .destination import Destination

__all__ = ["Saving", "check_beforehand", "saving"]

_NEW, _OLD, _DONE = "new", "replaced", "done"


@dataclass(eq=False)
class Saving:
    """The files of one result while they are written.

    Attributes
    ----------
    destination
        Their names.
    provenance
        Provenance record of the result.
    folder
        Where they are written, under these names.
    pixels
        Digest of the pixels of each image, by file name.
    messages
        Sentences for the user about what was replaced.
    """

    destination: Destination
    provenance: dict[str, Any]
    folder: Path
    pixels: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def place(self, name: str) -> Path:
        """Return where to write the file of this name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_record(self, kept: dict[str, dict[str, Any]]) -> None:
        """Write the record with a digest of every file."""
        files = {}
        for name in self.destination.names:
            facts = {"sha256": file_digest(self.folder / name)}
            files[name] = facts | ({"pixels": self.pixels[name]} if name in self.pixels else {})
        record = sealed(self.provenance | {"files": files | kept})
        self.place(self.destination.record).write_bytes(as_json(record, indent=2))


@contextmanager
def saving(
    destination: Destination,
    provenance: dict[str, Any],
    sources: Iterable[Path] = (),
    *,
    size: int = 0,
    overwrite: bool = False,
) -> Iterator[Saving]:
    """Yield where to write the files of a result; they appear together at the end, or not at all.

    Parameters
    ----------
    destination
        Names of the files.
    provenance
        Provenance record of the result.
    sources, size, overwrite
        As :func:`~napari_cytosynth.tasks.export.destination.check_destination` takes them.

    Raises
    ------
    OutputError
        If the result may not or cannot be written there.
    """
    sources = list(sources)
    provenance = {"task": destination.task} | provenance
    options: dict[str, Any] = {"size": size, "overwrite": overwrite, "provenance": provenance}
    folder = destination.folder
    check_beforehand(destination, sources, **options)
    with explained_errors(destination.path), _made(folder), scratch_folder(folder) as scratch:
        (scratch / _NEW).mkdir()
        files = Saving(destination, provenance, scratch / _NEW)
        yield files
        with hold(folder):
            # once more: another process may have written meanwhile
            options.pop("size")
            earlier = check_destination(destination, sources, **options)
            files.write_record(_still_there(folder, earlier.kept))
            _Commit(scratch, folder).run(destination, earlier.stale)
        files.messages += _about_replacing(destination, earlier, provenance)


def check_beforehand(
    destination: Destination,
    sources: Iterable[Path] = (),
    *,
    size: int = 0,
    overwrite: bool = False,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Check that a result can be written, before it is made; finish what a kill interrupted.

    Parameters
    ----------
    destination, sources, size, overwrite, provenance
        As :func:`~napari_cytosynth.tasks.export.destination.check_destination` takes them.

    Raises
    ------
    OutputError
        If it may not or cannot be written there.
    """
    options: dict[str, Any] = {"size": size, "overwrite": overwrite, "provenance": provenance}
    folder = destination.folder
    with explained_errors(destination.path):
        if not folder.is_dir():
            check_destination(destination, sources, **options)
            return
        with hold(folder):
            _finish_abandoned(folder)
            check_destination(destination, sources, **options)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; if the block fails, take away again what was made of its path."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


def _still_there(folder: Path, kept: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: facts for name, facts in kept.items() if (folder / name).is_file()}


def _about_replacing(
    destination: Destination, earlier: Earlier, provenance: dict[str, Any]
) -> list[str]:
    if earlier.record is None:
        return []
    before, now = image_of(earlier.record), image_of(provenance)
    if before == now or now is None:
        return []
    return [
        f"“{destination.path}” held the result of {before or 'another image'}; it was replaced by "
        f"that of {now}."
    ]


class _Commit:
    """Files put in place one after the other, all of which is undone if one of them fails."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        self.new, self.old, self.folder = scratch / _NEW, scratch / _OLD, folder
        self.undo: list[tuple[str, Path, Path]] = []

    def run(self, destination: Destination, stale: Iterable[str]) -> None:
        try:
            self.old.mkdir()  # from now on, the files in `new` are complete
            self.take_away(destination.record)
            for name in destination.names:
                self.put(name)
            for name in stale:
                self.take_away(name)
            self.put(destination.record)
            self.old.rename(self.old.with_name(_DONE))  # nothing is left to finish
        except BaseException:
            self.take_back()
            raise

    def put(self, name: str) -> None:
        source, target = self.new / name, self.folder / name
        target.parent.mkdir(exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            if exchange(source, target):
                self.undo.append(("exchange", source, target))
                return
            self.take_away(name)
        elif os.path.lexists(target):
            self._keep(name, target)
        os.replace(source, target)
        self.undo.append(("put", source, target))

    def _keep(self, name: str, target: Path) -> None:
        """Keep the old file under a second name, if the disk can, so that it is never absent."""
        backup = self._backup(name)
        try:
            os.link(target, backup, follow_symlinks=False)
        except (OSError, NotImplementedError):
            os.replace(target, backup)
        self.undo.append(("restore", backup, target))

    def take_away(self, name: str) -> None:
        target = self.folder / name
        if os.path.lexists(target):
            backup = self._backup(name)
            os.replace(target, backup)
            self.undo.append(("restore", backup, target))

    def _backup(self, name: str) -> Path:
        backup = self.old / name
        backup.parent.mkdir(parents=True, exist_ok=True)
        return backup

    def take_back(self) -> None:
        for what, aside, target in reversed(self.undo):
            with suppress(OSError):
                if what == "exchange":
                    exchange(aside, target)
                elif what == "put":
                    os.replace(target, aside)
                else:
                    os.replace(aside, target)


# -- what killed processes left ---------------------------------------------------------------


def _finish_abandoned(folder: Path) -> None:
    """Finish what a killed process had begun to put in place, unless it was changed since."""
    for scratch in abandoned_folders(folder):
        if not (scratch / _OLD).is_dir():
            continue  # it was still writing: what lies in the folder is whole
        for record in sorted((scratch / _NEW).glob("*provenance.json")):
            before = read_record(scratch / _OLD / record.name) or {}
            _finish(scratch, folder, record.name, files_of(before))
        for old in sorted((scratch / _OLD).iterdir()):
            if not os.path.lexists(folder / old.name):
                os.replace(old, folder / old.name)


def _finish(scratch: Path, folder: Path, record: str, before: dict[str, dict[str, Any]]) -> None:
    if os.path.lexists(folder / record):
        return
    new = files_of(read_record(scratch / _NEW / record) or {})
    for name in sorted(new):
        source, target = scratch / _NEW / name, folder / name
        if source.exists() and _unchanged(target, before.get(name)):
            target.parent.mkdir(exist_ok=True)
            if not (target.is_dir() and exchange(source, target)):
                os.replace(source, target)
    for name in sorted(before.keys() - new.keys()):
        if (
            "/" not in name
            and (folder / name).is_file()
            and _unchanged(folder / name, before[name])
        ):
            (folder / name).unlink()
    os.replace(scratch / _NEW / record, folder / record)


def _unchanged(target: Path, facts: dict[str, Any] | None) -> bool:
    if not os.path.lexists(target):
        return True
    return (
        facts is not None
        and not target.is_symlink()
        and (facts.get("sha256") == file_digest(target))
    )
