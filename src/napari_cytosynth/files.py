"""Atomic writes: a file appears whole or not at all; errors of the disk are explained."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "abandoned_folders",
    "check_space",
    "exchange",
    "existing_parent",
    "explained_errors",
    "hold",
    "replace_file",
    "replacing",
    "scratch_folder",
    "user_path",
]

_PREFIX = ".napari-cytosynth-"
_LONGEST_WRITE = 24 * 3600.0  # s
_LOCK = f"{_PREFIX}lock"  # only where a folder itself cannot be locked
_EXCHANGE = 2  # the flag of renameat2 (Linux) and of renamex_np (macOS)
_CURRENT_FOLDER = -100  # AT_FDCWD


def user_path(path: Any) -> Path:
    """Return a path with ``~`` expanded.

    Raises
    ------
    InputError
        If it is no path, an empty one, or one that no system can have.
    """
    try:
        if path == "":  # Path would take it for the current folder
            raise ValueError("it is empty")
        expanded = Path(path).expanduser()
        if "\0" in os.fsdecode(os.fsencode(expanded)):
            raise ValueError("it holds a null character")
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path!r} cannot be the name of a file or folder: {error}.") from error
    return expanded


def existing_parent(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def check_space(path: Path, size: int) -> None:
    """Check that a disk has room for so many bytes.

    Raises
    ------
    OutputError
        If it has not.
    """
    try:
        free = shutil.disk_usage(existing_parent(path)).free
    except OSError:
        return  # a disk that does not tell
    if size > free:
        raise OutputError(
            f"“{path}” cannot be written: it takes about {_amount(size)}, and there is only "
            f"{_amount(free)} of space left. Free some, or choose another disk."
        )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, by way of a temporary file beside it."""
    with scratch_folder(path.parent) as scratch:
        temporary = scratch / "content"
        temporary.write_bytes(content)
        temporary.replace(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name; what is written there replaces `path` if the block succeeds."""
    with explained_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(path.parent) as scratch:
            temporary = scratch / f"content{path.suffix}"
            yield temporary
            temporary.replace(path)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder of a unique hidden name, for this process alone, and remove it at the end.

    It is made exclusively, so that no file or link can lie at a name within it beforehand.
    """
    with ExitStack() as stack:
        with hold(parent):  # between its making and its lock it would look abandoned
            scratch = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=parent))
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)  # with its lock on Windows
            stack.enter_context(hold(scratch))
            # before it is let go of: no other process finds it half removed, and finishes it
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        yield scratch


def abandoned_folders(parent: Path) -> Iterator[Path]:
    """Yield the scratch folders of processes that were killed; each is removed afterwards.

    To be used while the `parent` is held.
    """
    for folder in sorted(parent.glob(f"{_PREFIX}*")):
        if folder.is_symlink() or not folder.is_dir() or _may_be_elsewhere(folder):
            continue
        with hold(folder, wait=False) as held:
            if held:
                yield folder
        if held:
            shutil.rmtree(folder, ignore_errors=True)


def _own_prefix() -> str:
    """Return what names of scratch folders of this machine begin with."""
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return f"{_PREFIX}{machine}-"


def _may_be_elsewhere(folder: Path) -> bool:
    """Return whether another machine may be at work in it: not every disk shares its locks."""
    if folder.name.startswith(_own_prefix()):
        return False
    try:
        return time.time() - folder.stat().st_mtime < _LONGEST_WRITE
    except OSError:  # gone meanwhile
        return True


@contextmanager
def hold(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder against other processes that ask for the same; a kill lets go of it.

    Parameters
    ----------
    folder
        An existing folder.
    wait
        Wait for others. Default: True. Else yields False if another process holds it, or if
        that cannot be known.
    """
    descriptor, held = _lock(folder, wait)
    try:
        yield held
    finally:
        if descriptor is not None:
            os.close(descriptor)


if sys.platform == "win32":

    def _lock(folder: Path, wait: bool) -> tuple[int | None, bool]:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_TEMPORARY  # gone with its process
        for _ in range(3000 if wait else 1):
            try:
                return os.open(folder / _LOCK, flags), True
            except (FileExistsError, PermissionError):
                time.sleep(0.02)
        return None, wait

else:
    import fcntl

    def _lock(folder: Path, wait: bool) -> tuple[int | None, bool]:
        descriptor = None
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:  # held by another, or a file system without locks
            if descriptor is not None:
                os.close(descriptor)
            return None, wait
        return descriptor, True


def exchange(first: Path, second: Path) -> bool:
    """Swap what lies at two names in one step; return False where the system cannot."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        system = ctypes.CDLL(None)
        if sys.platform == "darwin":
            failed = system.renamex_np(*names, _EXCHANGE)
        else:
            here = _CURRENT_FOLDER
            failed = system.renameat2(here, names[0], here, names[1], _EXCHANGE)
    except (AttributeError, OSError, TypeError):
        return False
    return bool(failed == 0)


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
