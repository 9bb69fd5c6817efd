"""The library that draws plots, which an extra installs."""

from __future__ import annotations

from typing import Any

from napari_cytosynth.errors import InputError

__all__ = ["match_theme", "plot_library"]


def plot_library() -> Any:
    """Return pyqtgraph.

    Raises
    ------
    InputError
        If it is missing.
    """
    try:
        import pyqtgraph
    except ImportError as error:
        raise InputError(
            'Plots need the package pyqtgraph: pip install "napari-cytosynth[plots]".'
        ) from error
    return pyqtgraph


def match_theme(widget: Any, plots: Any) -> None:
    """Give plots the colours of the widget that they are in."""
    text = widget.palette().color(widget.foregroundRole())
    background = widget.palette().color(widget.backgroundRole())
    for plot in plots:
        plot.setBackground(background)
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
