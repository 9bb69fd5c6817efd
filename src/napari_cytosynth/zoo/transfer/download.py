"""Cancellable download of one model from the Hub."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CorruptWeightsError, CytosynthError, ModelError
from napari_cytosynth.zoo.model_files import CARD_FILE, README_FILE, WEIGHTS_FILE, file_sha256
from napari_cytosynth.zoo.opening import LARGEST_CARD, LARGEST_WEIGHTS

from .answers import check_answer, checked_answers
from .errors import explain
from .partial import Resuming
from .verified import SHA256, mark_pending, mark_verified
from .watching import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cytosynth.progress import Progress

__all__ = ["Download"]

_BLOCK_BYTES = 128 * 1024
_COMMIT = re.compile("[0-9a-f]{40}")


class _Stopped(Exception):
    """Raised by the client's progress bar when the download is cancelled."""


class Download:
    """One download in a thread of its own, so that Cancel never waits for the network.

    The client may sit in a connection attempt or between two blocks of a slow line for
    many seconds. The caller's thread therefore only watches; when it leaves, the thread
    ends by itself at its next block and keeps what it had for the next download.
    """

    def __init__(self, repository: str, revision: str | None) -> None:
        self.repository = repository
        self.revision = revision
        self.done = self.total = 0
        self._stop = threading.Event()

    def run(self, progress: Progress) -> Path:
        """Download with calls of `progress`; return the folder."""
        message = f"Downloading {self.repository}"
        folder = watch(self._work, lambda: (self.done, self.total), self._stop, progress, message)
        total = max(self.total, 1)
        progress(total, total, message)
        return folder

    def _work(self) -> Path:
        try:
            return self._fetch()
        except CytosynthError:
            raise
        except BaseException as error:
            raise explain(error, self.repository) from error

    def _fetch(self) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        # Asked first, without the client's many retries: a wrong name or a missing
        # network is known within seconds, and the size is known before the first byte.
        url = hf_hub_url(self.repository, WEIGHTS_FILE, revision=self.revision)
        remote = get_hf_file_metadata(url)
        check_answer(remote)
        self.total = remote.size or 0
        if self.total > LARGEST_WEIGHTS:
            raise _too_large(WEIGHTS_FILE, LARGEST_WEIGHTS)
        # The card comes first and by branch, so that the cache remembers which commit the
        # branch was; the weights come last: a folder that has them is complete. Without a
        # card it is the weights that have to come by branch.
        card = self._file(CARD_FILE, self.revision)
        commit = card.parent.name if card else self.revision
        self._file(README_FILE, commit)
        folder = _snapshot(self.repository, commit, remote.commit_hash)
        mark_pending(folder)  # until it is compared: this process may end at any moment
        with Resuming(self.repository, remote.etag):
            weights = self._file(WEIGHTS_FILE, commit, counted=True)
        assert weights is not None
        mark_verified(weights.parent, _check_arrival(weights, remote.etag))
        return weights.parent

    def _file(self, name: str, revision: str | None, *, counted: bool = False) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

        if self._stop.is_set():
            raise _Stopped
        most = (self.total or LARGEST_WEIGHTS) if counted else LARGEST_CARD
        bar = _bar_class(self if counted else None, self._stop, name, most)
        try:
            with _small_blocks(), checked_answers:
                path = hf_hub_download(self.repository, name, revision=revision, tqdm_class=bar)
        except LocalEntryNotFoundError:
            raise
        except RemoteEntryNotFoundError:
            if counted:
                raise
            return None
        return Path(path)


def _snapshot(repository: str, commit: str | None, announced: str | None) -> Path:
    """Return the folder that the client puts a commit's files into."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    known = commit if commit and _COMMIT.fullmatch(commit) else announced
    cache = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    return cache / "snapshots" / (known or "unknown")


def _too_large(name: str, most: int) -> ModelError:
    return ModelError(
        f"The file {name} on the Hub is larger than it may be ({most / 1e6:,.0f} MB); the download "
        "was stopped and nothing of it kept."
    )


def _bar_class(download: Download | None, stop: threading.Event, name: str, most: int) -> type[Any]:
    """Return a class with tqdm's interface that counts for `download` and draws nothing."""
    from tqdm.std import tqdm

    class CountingBar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if stop.is_set():
                raise _Stopped
            self.n += n or 0
            if self.n > most:
                raise _too_large(name, most)
            if download is not None:  # the client may keep two bars for the same bytes
                download.done = max(download.done, int(self.n))

    return CountingBar


@contextmanager
def _small_blocks() -> Iterator[None]:
    """Let the client read blocks of 128 kB: its own 10 MB are larger than most models."""
    from huggingface_hub import constants

    usual = constants.DOWNLOAD_CHUNK_SIZE
    constants.DOWNLOAD_CHUNK_SIZE = min(usual, _BLOCK_BYTES)
    try:
        yield
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = usual


def _check_arrival(weights: Path, etag: str | None) -> str:
    """Check a large file against the Hub's hash; return its own. Remove it if it differs."""
    found = file_sha256(weights)
    if etag is None or not SHA256.fullmatch(etag) or found == etag:
        return found
    weights.resolve().unlink(missing_ok=True)
    weights.unlink(missing_ok=True)
    raise CorruptWeightsError(
        f"“{weights.name}” was damaged on its way from the Hub; please try again."
    )
