"""What has arrived of a download that was cut off, to go on from there.

The client throws a half file away when a download ends. Here it is kept beside the snapshots,
under the name that the Hub announces for the whole file, and handed back to the client, which
asks for the rest. The whole is compared with the Hub's hash as every other download.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Resuming", "drop_partials", "kept_bytes"]

_SUFFIX = ".partial"
_lock = threading.Lock()
_active: dict[int, Resuming] = {}
"""Thread -> the file that it downloads."""
_usual: list[Callable[..., None]] = []
"""The client's own function, while it is replaced."""


def _folder(repository: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    cache = Path(constants.HF_HUB_CACHE)
    return cache / repo_folder_name(repo_id=repository, repo_type="model") / ".cytosynth"


def kept_bytes(repository: str) -> int:
    """Return how many bytes of unfinished downloads of a repository are kept."""
    return sum(path.stat().st_size for path in _folder(repository).glob(f"*{_SUFFIX}"))


def drop_partials(repository: str) -> int:
    """Delete what is kept of unfinished downloads; return the bytes."""
    size = 0
    for path in _folder(repository).glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # another process took or deleted it
            found = path.stat().st_size
            path.unlink()
            size += found
    return size


class Resuming:
    """Context in which the client, in this thread, goes on with a file that was cut off.

    Parameters
    ----------
    repository
        ``organisation/name``.
    etag
        Name that the Hub announces for the file, checked to be one; None: nothing is kept.
    """

    def __init__(self, repository: str, etag: str | None) -> None:
        self._file = None if etag is None else _folder(repository) / f"{etag}{_SUFFIX}"

    def __enter__(self) -> None:
        from huggingface_hub import file_download

        with _lock:
            if not _active:
                _usual.append(file_download.http_get)
                file_download.http_get = _resumed(file_download.http_get)
            _active[threading.get_ident()] = self

    def __exit__(self, *_: object) -> None:
        from huggingface_hub import file_download

        with _lock:
            del _active[threading.get_ident()]
            if not _active:
                file_download.http_get = _usual.pop()

    def take(self, temporary: Any, most: int | None) -> int:
        """Fill a temporary file with what is kept, of at most so many bytes; return its size."""
        if self._file is None or not self._file.is_file():
            return 0
        if most is not None and self._file.stat().st_size <= most:
            with self._file.open("rb") as kept:
                shutil.copyfileobj(kept, temporary)
        self._file.unlink()
        return int(temporary.tell())

    def keep(self, temporary: Any) -> None:
        """Keep what is in a temporary file; where that fails, the next download begins anew."""
        if self._file is None:
            return
        try:
            temporary.flush()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(temporary.name, self._file)
        except OSError:
            self._file.unlink(missing_ok=True)


def _resumed(get: Callable[..., None]) -> Callable[..., None]:
    """Wrap the client's own function that writes what a server sends into a file."""

    def get_the_rest(url: str, temp_file: Any, **options: Any) -> None:
        file = _active.get(threading.get_ident())
        if file is None or options.get("resume_size"):  # the client goes on by itself
            get(url, temp_file, **options)
            return
        try:
            kept = file.take(temp_file, options.get("expected_size"))
            get(url, temp_file, **{**options, "resume_size": kept})
        except BaseException:
            file.keep(temp_file)
            raise

    return get_the_rest
