"""Opening of a model's files: regular ones of a bounded size, and nothing else.

A pipe would wait for ever and a device has no end, so what a path leads to is asked first.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = ["LARGEST_CARD", "LARGEST_WEIGHTS", "existing_path", "open_regular", "read_limited"]

LARGEST_CARD = 4_000_000
"""Most bytes of a card, in ``config.json`` or in the header of the weights file."""

LARGEST_WEIGHTS = 16_000_000_000
"""Most bytes of a weights file that is fetched, whatever a server announces."""

# A pipe without a writer must not wait. Both flags are missing on some systems.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """Open a regular file for reading; yield it and its size in bytes.

    Raises
    ------
    ModelError
        If it is no regular file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a device may already do something
            raise _irregular(path)
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise _irregular(path)
        try:
            yield file, found.st_size
        except OSError as error:
            raise _unreadable(path, error) from error


def read_limited(path: Path, most: int = LARGEST_CARD) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises
    ------
    ModelError
        If it is larger, no regular file, or cannot be read.
    """
    with open_regular(path) as (file, size):
        content = file.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise ModelError(
            f"“{path}” is larger than the {most / 1e6:g} MB that such a file of a model may have."
        )
    return content


def existing_path(source: str | os.PathLike[str]) -> Path | None:
    """Return the path that a text names if there is something, else None; never fails."""
    try:
        path = Path(source).expanduser()
    except (RuntimeError, ValueError):  # the home of somebody unknown
        return None
    return path if os.path.exists(path) else None


def _irregular(path: Path) -> ModelError:
    return ModelError(f"“{path}” is not a regular file: a model is read from files only.")


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"“{path}” cannot be read: {getattr(error, 'strerror', None) or error}.")
