"""Drawing of the canvas at once, between changes that software OpenGL does not survive in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["repaint_canvases", "set_visible"]


def repaint_canvases() -> None:
    """Draw every canvas that is on the screen now, not when Qt comes to it.

    Mesa's software OpenGL crashed in the next drawing after several layers had been hidden or
    removed without one between (ten additive images, 20 times; each with a drawing: never).
    """
    for window in QApplication.topLevelWidgets():
        if window.isVisible():
            for part in window.findChildren(QWidget):
                if part.inherits("QOpenGLWidget") and part.isVisible():
                    part.repaint()


def set_visible(wanted: Iterable[tuple[Any, bool]]) -> None:
    """Show and hide layers one after another, with the canvas drawn between.

    Parameters
    ----------
    wanted
        Each layer, and whether it is to be visible.
    """
    for layer, visible in wanted:
        if layer.visible != visible:
            layer.visible = visible
            repaint_canvases()
