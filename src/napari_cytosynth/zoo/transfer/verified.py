"""Marks of verified downloads: which weights in the cache are those that the Hub announced.

The client puts a file into the cache before anybody has compared its hash. A mark beside the
snapshots says “pending” from before the weights arrive until they were compared, then holds
their SHA-256, which loading compares again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_cytosynth.errors import ChecksumError, ModelError
from napari_cytosynth.files import replace_file
from napari_cytosynth.zoo.model_files import WEIGHTS_FILE, file_sha256
from napari_cytosynth.zoo.opening import read_limited

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SHA256", "check_verified", "is_verified", "mark_pending", "mark_verified"]

SHA256 = re.compile("[0-9a-f]{64}")
_PENDING = "pending"


def mark_pending(snapshot: Path) -> None:
    """Note that the weights of a snapshot's folder are about to arrive, and not yet compared."""
    _write(snapshot, _PENDING)


def mark_verified(snapshot: Path, sha256: str) -> None:
    """Note the SHA-256 of weights that were compared."""
    _write(snapshot, sha256)


def is_verified(snapshot: Path) -> bool:
    """Return whether the weights of a snapshot can be used.

    Those of another program have no mark: the cache keeps large files under their hash, which
    is compared once. Where it does not (a file system without links), they are taken as they are.
    """
    mark = _read(snapshot)
    if mark is not None:
        return SHA256.fullmatch(mark) is not None
    weights = snapshot / WEIGHTS_FILE
    announced = weights.resolve().name
    if not SHA256.fullmatch(announced):
        return True
    try:
        same = file_sha256(weights) == announced
    except ModelError:
        return False
    if same:
        try:
            mark_verified(snapshot, announced)
        except OSError:  # a cache that is only read: compared each time
            pass
    return same


def check_verified(snapshot: Path, sha256: str) -> None:
    """Check weights that are loaded against the mark of their snapshot, if there is one.

    Raises
    ------
    ChecksumError
        If they are no longer those that were downloaded.
    """
    mark = _read(snapshot)
    if mark is not None and mark != sha256:
        raise ChecksumError(
            f"The weights in “{snapshot}” are not those that were downloaded: their SHA-256 is "
            f"{sha256}. Remove the copy with “cytosynth models remove”, then fetch it again."
        )


def _mark(snapshot: Path) -> Path:
    return snapshot.parent.parent / ".cytosynth" / snapshot.name


def _read(snapshot: Path) -> str | None:
    if snapshot.parent.name != "snapshots" or not _mark(snapshot).is_file():
        return None
    try:
        return read_limited(_mark(snapshot), 100).decode("ascii", "replace").strip()
    except ModelError:
        return _PENDING


def _write(snapshot: Path, text: str) -> None:
    mark = _mark(snapshot)
    mark.parent.mkdir(parents=True, exist_ok=True)
    replace_file(mark, f"{text}\n".encode())
