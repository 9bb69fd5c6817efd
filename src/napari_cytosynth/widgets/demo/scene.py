"""Functions that all scenes of the demonstration share: waiting, screenshots, files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "DRAWING_S",
    "clear_caption",
    "dock",
    "screenshot",
    "settle",
    "show_caption",
    "show_scale_bar",
    "write_images",
]

_CAPTION_PT = 10.0
DRAWING_S = 1.0
"""Seconds that a window has to be drawn before its picture is taken."""


def dock(viewer: Any, name: str) -> Any:
    """Open one of the plugin's widgets, in a tab where another one is open already."""
    return viewer.window.add_plugin_dock_widget("napari-cytosynth", name, tabify=True)


def settle(widget: Any, seconds: float | None = None) -> None:
    """Wait until the widget is idle, then process events while the window is drawn.

    Parameters
    ----------
    widget
        One of the plugin's.
    seconds
        How long the window has to be drawn. Default: :data:`DRAWING_S`.

    Raises
    ------
    CytosynthError
        If it does not finish in time.
    """
    from qtpy.QtWidgets import QApplication

    if not widget.wait():
        raise CytosynthError(f"The demo did not finish: {widget.status.value}")
    end = time.monotonic() + (DRAWING_S if seconds is None else seconds)
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def show_scale_bar(viewer: Any) -> None:
    """Show a scale bar in the canvas."""
    _overlay(viewer, "scale_bar").visible = True


def show_caption(viewer: Any, text: str) -> None:
    """Show a text at the top of the canvas."""
    overlay = _overlay(viewer, "text")
    overlay.text, overlay.position = text, "top_left"
    overlay.font_size = _CAPTION_PT
    overlay.visible = True


def clear_caption(viewer: Any) -> None:
    """Show no text in the canvas."""
    _overlay(viewer, "text").visible = False


def _overlay(viewer: Any, name: str) -> Any:
    """Return what napari draws over the canvas, from where this version keeps it."""
    canvas = getattr(viewer, "canvas", None)  # where napari 0.9 has moved it
    if canvas is not None:
        return getattr(canvas.overlays, name)
    return viewer.text_overlay if name == "text" else viewer.scale_bar


def screenshot(viewer: Any, path: Path) -> Path:
    """Write a picture of the whole window."""
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    return path


def write_images(
    folder: Path, name: str, images: Mapping[str, Any], voxel_size_um: Sequence[float]
) -> list[Path]:
    """Write images as ``NAME-KIND.ome.tif``.

    Parameters
    ----------
    folder, name
        Where, and the beginning of the files' names.
    images
        By kind, with the axes (Y, X), or (Z, Y, X) where there are three sizes, or else
        (C, Y, X).
    voxel_size_um
        In µm along Y and X, or along Z, Y and X.
    """
    from napari_cytosynth.tasks.export.results import write_tiff

    first = "Z" if len(voxel_size_um) == 3 else "C"
    written = []
    for kind, image in images.items():
        written.append(folder / f"{name}-{kind}.ome.tif")
        axes = f"{first}YX" if image.ndim == 3 else "YX"
        write_tiff(written[-1], image, axes, voxel_size_um)
    return written
