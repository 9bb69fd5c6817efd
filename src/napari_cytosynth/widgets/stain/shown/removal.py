"""Removal of layers one at a time, with the canvas drawn between."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_cytosynth.widgets.stain.shown.repaint import repaint_canvases, set_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QWidget

__all__ = ["LayerRemover"]

_PAUSE_MS = 5
_at_work: set[LayerRemover] = set()  # kept alive when the widget that asked for it has gone


class LayerRemover:
    """Removes layers from a viewer one by one, the canvas drawn before and after each.

    Software OpenGL has crashed where ten additive layers went in one burst, and where layers went
    that were hidden: each is removed while it is drawn, at an opacity of 0.

    Parameters
    ----------
    viewer
        The napari viewer.
    owner
        A Qt widget that lives as long as the viewer's window; when it goes, removal ends.
    """

    def __init__(self, viewer: Any, owner: QWidget) -> None:
        self._viewer = viewer
        self._queue: list[Any] = []
        self._timer = QTimer(owner)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._step)
        owner.destroyed.connect(self._end)  # bound, not a lambda: see `JobRunner`

    @property
    def busy(self) -> bool:
        """Whether layers wait to be removed."""
        return bool(self._queue)

    def remove(self, layers: Iterable[Any]) -> None:
        """Make layers transparent, and remove them soon; those that are gone are skipped."""
        there = [layer for layer in layers if layer in self._viewer.layers]
        for layer in there:
            layer.opacity = 0.0
            layer.name = f"{layer.name} (goes)"  # what comes now may have the name
        self._queue += there
        if self._queue:
            _at_work.add(self)
            self._timer.start()

    def wait(self, timeout: float = 60.0) -> bool:
        """Process events until all are removed; return whether none is left."""
        end = time.monotonic() + timeout
        while self._queue and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.001)
        return not self._queue

    def _step(self) -> None:
        if self._queue:
            layer = self._queue.pop(0)
            if layer in self._viewer.layers:
                set_visible([(layer, True)])
                self._viewer.layers.remove(layer)
                repaint_canvases()
        if not self._queue:
            self._timer.stop()
            self._end()

    def _end(self, *_: object) -> None:
        _at_work.discard(self)
