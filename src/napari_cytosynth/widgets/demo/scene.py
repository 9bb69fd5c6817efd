"""Functions that all scenes of the demonstration share: waiting, screenshots, files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["dock", "screenshot", "settle", "show_scale_bar", "write_images"]


def dock(viewer: Any, name: str) -> Any:
    """Open one of the plugin's widgets, in a tab where another one is open already."""
    return viewer.window.add_plugin_dock_widget("napari-cytosynth", name, tabify=True)


def settle(widget: Any, seconds: float = 1.0) -> None:
    """Wait until the widget is idle, then process events while the window is drawn.

    Raises
    ------
    CytosynthError
        If it does not finish in time.
    """
    from qtpy.QtWidgets import QApplication

    if not widget.wait():
        raise CytosynthError(f"The demo did not finish: {widget.status.value}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def show_scale_bar(viewer: Any) -> None:
    """Show a scale bar in the canvas."""
    canvas = getattr(viewer, "canvas", None)  # where napari 0.9 has moved it
    (viewer if canvas is None else canvas.overlays).scale_bar.visible = True


def screenshot(viewer: Any, path: Path) -> Path:
    """Write a picture of the whole window."""
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    return path


def write_images(
    folder: Path, name: str, images: Mapping[str, Any], pixel_size_um: float
) -> list[Path]:
    """Write planes (Y, X) and stacks of channels (C, Y, X) as ``NAME-KIND.ome.tif``."""
    from napari_cytosynth.tasks.export.results import write_tiff

    written = []
    for kind, image in images.items():
        written.append(folder / f"{name}-{kind}.ome.tif")
        axes = "CYX" if image.ndim == 3 else "YX"
        write_tiff(written[-1], image, axes, (pixel_size_um, pixel_size_um))
    return written
