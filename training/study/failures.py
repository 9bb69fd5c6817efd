"""Failures of a run: the trace is kept beside it, and what it prints goes to its log."""

from __future__ import annotations

import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from napari_cytosynth.errors import CytosynthError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["TRACE", "keep_failure", "quiet"]

TRACE = "error.txt"
"""File of the trace, in the folder of the run."""


def keep_failure(error: Exception, folder: Path) -> str:
    """Leave the trace of a failure in ``error.txt``, and return what happened in words."""
    (folder / TRACE).write_text("".join(traceback.format_exception(error)), "utf-8")
    return str(error) if isinstance(error, CytosynthError) else f"{type(error).__name__}: {error}"


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send what a run prints, bars and warnings, to its log."""
    with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        yield
