"""Failures of a run: its trace and its log, kept beside its results."""

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
    """Write the trace of a failure to ``error.txt``; return its message."""
    (folder / TRACE).write_text("".join(traceback.format_exception(error)), "utf-8")
    return str(error) if isinstance(error, CytosynthError) else f"{type(error).__name__}: {error}"


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Redirect the output of a run, bars and warnings included, to its log."""
    with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        yield
