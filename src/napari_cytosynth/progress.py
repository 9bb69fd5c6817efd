"""Progress reports and cancellation of long runs: one callable, no threads, no Qt."""

from __future__ import annotations

import sys
from typing import Protocol, runtime_checkable

from .arguments import check_callable
from .console import printable

__all__ = ["Progress", "resolve_progress", "silent"]


@runtime_checkable
class Progress(Protocol):
    """Callable that reports progress between tiles, planes, steps or blocks of bytes.

    It may raise :class:`~napari_cytosynth.errors.Cancelled` to stop the run there.
    """

    def __call__(self, done: int, total: int, message: str, /) -> None:
        """Report that `done` of `total` units are finished; `message` names what they are of."""


def silent(done: int, total: int, message: str, /) -> None:
    """Report nothing."""


class _ConsoleBar:
    """A tqdm bar that appears with the first tick and closes with the last."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=None, leave=False)

    def __call__(self, done: int, total: int, message: str, /) -> None:
        self._bar.total = total
        self._bar.n = done
        self._bar.set_description(printable(message))
        if done >= total:
            self._bar.close()


def resolve_progress(progress: Progress | None) -> Progress:
    """Return `progress`, or for None a console bar (silent where there is no terminal)."""
    check_callable(progress, "progress")
    if progress is not None:
        return progress
    if sys.stderr is not None and sys.stderr.isatty():
        return _ConsoleBar()
    return silent
