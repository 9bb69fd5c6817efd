"""Thread-safe queue of previews between a job and the GUI thread; no Qt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["PreviewQueue"]

T = TypeVar("T")


class PreviewQueue(Generic[T]):
    """Queue that holds the newest preview of each subject until the GUI thread takes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[Hashable, T] = {}

    def put(self, subject: Hashable, preview: T) -> None:
        """Add a preview in place of the subject's last one, from any thread."""
        with self._lock:
            self._latest[subject] = preview

    def take(self) -> list[T]:
        """Remove and return the new previews, oldest subject first."""
        with self._lock:
            latest, self._latest = self._latest, {}
        return list(latest.values())
