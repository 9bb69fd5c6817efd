"""Where a thread leaves its previews until the GUI thread fetches them; no Qt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["PreviewQueue"]

T = TypeVar("T")


class PreviewQueue(Generic[T]):
    """Holds the newest preview of each subject until the GUI thread fetches them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[Hashable, T] = {}

    def put(self, subject: Hashable, preview: T) -> None:
        """Leave a preview in place of the subject's last one, from any thread."""
        with self._lock:
            self._latest[subject] = preview

    def take(self) -> list[T]:
        """Return the previews that are new, oldest subject first, and forget them."""
        with self._lock:
            latest, self._latest = self._latest, {}
        return list(latest.values())
