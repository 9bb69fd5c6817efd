"""Atomic writes: a file appears whole or not at all; errors of the disk are explained."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from napari_cytosynth.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["explained_errors", "replace_file", "replacing"]


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, by way of a temporary file beside it."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)  # temporary files are made for their owner only
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it replaces `path` if the block succeeds."""
    temporary = path.with_name(f".{path.stem}-unfinished{path.suffix}")
    with explained_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if path.is_dir() and temporary.is_dir():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


@contextmanager
def explained_errors(path: Path) -> Iterator[None]:
    """Raise the system's errors as :class:`OutputError`, with their reason and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "there is no space left. Free some, or choose another disk."
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            reason = "you may not write there. Choose another folder."
        elif isinstance(error, (FileExistsError, NotADirectoryError)):
            reason = "a file of that name is in the way. Choose another name."
        else:
            reason = f"{error.strerror or error}."
        raise OutputError(f"“{path}” cannot be written: {reason}") from error
