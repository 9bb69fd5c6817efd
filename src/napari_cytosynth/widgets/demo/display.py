"""Whether Qt can open a window here: it ends the process where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys

from napari_cytosynth.errors import CytosynthError

__all__ = ["check_display"]

_OPEN = "from qtpy.QtWidgets import QApplication; QApplication([])"
_LONGEST_START = 60  # s
_REMEDY = (
    "Start it where napari opens, or on a virtual screen (package xvfb): "
    "xvfb-run -a cytosynth demo --headless --out demo-output"
)


def check_display() -> None:
    """Check that windows can be opened, in a process of its own, which Qt may end.

    Raises
    ------
    CytosynthError
        If there is no display, or Qt cannot use it.
    """
    if sys.platform in ("win32", "darwin"):  # nothing to ask for: windows have their place
        return
    shown = [os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")]
    if not any(shown):
        raise CytosynthError(f"There is no display to open napari on. {_REMEDY}")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _OPEN],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_START,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CytosynthError(f"Qt waits for a display in vain ({_where()}). {_REMEDY}") from None
    if done.returncode < 0:  # ended by a signal: an ImportError of napari explains itself
        raise CytosynthError(f"Qt cannot open a window ({_cause(done.stderr)}). {_REMEDY}")


def _where() -> str:
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return ", ".join(f"{name}={os.environ[name]}" for name in names if os.environ.get(name))


def _cause(written: str) -> str:
    lines = [line.strip() for line in written.splitlines() if line.startswith("qt.qpa")]
    return lines[0].partition(": ")[2] if lines else _where()
