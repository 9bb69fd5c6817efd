"""What is looked at, for those who write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cytosynth.widgets.look.plots import PlotPanel
    from napari_cytosynth.widgets.look.view import Look, TableView

__all__ = ["ViewedObjects"]


@dataclass(frozen=True, eq=False)
class ViewedObjects:
    """What is looked at.

    Attributes
    ----------
    layer
        Of labels.
    view
        It, with its table.
    look
        Filters, colours and selection.
    plots
        The plots; None while they are not shown.
    """

    layer: Any
    view: TableView
    look: Look
    plots: PlotPanel | None
