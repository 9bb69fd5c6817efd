"""A line around points of a plot, drawn with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lasso", "inside"]


def inside(places: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return which places lie within a polygon, bool of shape (places,); NaN does not.

    Parameters
    ----------
    places
        float of shape (places, 2).
    corners
        float of shape (corners, 2).
    """
    from skimage import measure

    points_in_poly: Any = measure.points_in_poly
    known = np.isfinite(places).all(axis=1)
    found = np.zeros(len(places), bool)
    if len(corners) > 2 and known.any():
        found[known] = points_in_poly(places[known], corners)
    return found


class Lasso:
    """Draws a line while the left button is held over a plot; others pan and zoom as before.

    Parameters
    ----------
    library
        pyqtgraph.
    plot
        Its plot widget.
    on_drawn
        Called with the corners, float of shape (corners, 2), in the plot's own axes.
    """

    def __init__(self, library: Any, plot: Any, on_drawn: Callable[[np.ndarray], Any]) -> None:
        self._box, self._on_drawn = plot.getViewBox(), on_drawn
        self._line = library.PlotCurveItem(pen=library.mkPen((255, 26, 153), width=2))
        plot.addItem(self._line, ignoreBounds=True)
        self._corners: list[tuple[float, float]] = []
        self._usual = self._box.mouseDragEvent
        self._box.mouseDragEvent = self._on_drag

    def _on_drag(self, event: Any, axis: Any = None) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            self._usual(event, axis)
            return
        event.accept()
        if event.isStart():
            self._corners = [self._place(event.buttonDownPos())]
        self._corners.append(self._place(event.pos()))
        corners = np.array(self._corners)
        if event.isFinish():
            self._line.setData([], [])
            self._on_drawn(corners)
        else:
            closed = np.concatenate([corners, corners[:1]])
            self._line.setData(closed[:, 0], closed[:, 1])

    def _place(self, position: Any) -> tuple[float, float]:
        place = self._box.mapToView(position)
        return float(place.x()), float(place.y())
