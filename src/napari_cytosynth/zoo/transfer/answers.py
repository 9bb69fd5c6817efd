"""Checks of a server's answers before the Hub's client makes file names of them.

The client stores a file under the ETag and the commit that the server sends, as they are. A
server that calls itself a Hub (``HF_ENDPOINT``, a proxy) could thereby write outside the cache.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from huggingface_hub import HfFileMetadata

__all__ = ["check_answer", "checked_answers"]

# One part of a path on every system: no separator, no drive, not a dot first.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,127}")


def check_answer(answer: HfFileMetadata) -> None:
    """Check that ETag, commit and hash of an answer can only name files.

    Raises
    ------
    NetworkError
        If the server does not answer as the Hub does.
    """
    xet = answer.xet_file_data
    _check(answer.etag, answer.commit_hash, xet.file_hash if xet else None)


def _check(*parts: object) -> None:
    from huggingface_hub import constants

    if all(part is None or _PART.fullmatch(str(part)) for part in parts):
        return
    raise NetworkError(
        f"{constants.ENDPOINT} does not answer as the Hugging Face Hub does: its ETag or commit "
        "could not be the name of a file, so nothing was stored. Check HF_ENDPOINT and the proxy."
    )


def _checked(ask: Callable[..., HfFileMetadata]) -> Callable[..., HfFileMetadata]:
    """Wrap the client's own function that asks for a file's metadata."""

    def ask_and_check(*args: Any, **kwargs: Any) -> HfFileMetadata:
        from huggingface_hub import constants
        from huggingface_hub.errors import HfHubHTTPError

        try:
            answer = ask(*args, **kwargs)
        except HfHubHTTPError as error:  # the client also notes which files a commit lacks
            _check(error.response.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT))
            raise
        check_answer(answer)
        return answer

    return ask_and_check


class _CheckedAnswers:
    """Context in which the client checks every answer; several threads may be in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._usual: Any = None

    def __enter__(self) -> None:
        from huggingface_hub import file_download

        with self._lock:
            if not self._inside:
                self._usual = file_download.get_hf_file_metadata
                file_download.get_hf_file_metadata = _checked(self._usual)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        from huggingface_hub import file_download

        with self._lock:
            self._inside -= 1
            if not self._inside:
                file_download.get_hf_file_metadata = self._usual


checked_answers = _CheckedAnswers()
"""The context to download in: ``with checked_answers:``."""
