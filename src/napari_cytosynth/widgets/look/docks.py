"""Panels of the Look widget that stand in the window by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from qtpy.QtWidgets import QWidget

from .colour_bar import colours_of
from .table.panel import TablePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plots import PlotPanel
    from .view import Look, TableView

__all__ = ["LookPanels", "PanelDock"]

P = TypeVar("P", bound=QWidget)


class PanelDock(Generic[P]):
    """A panel below the viewer, which the user may close and open again.

    Parameters
    ----------
    viewer
        The napari viewer.
    title
        Of the dock.
    make
        Makes the panel, when it is first opened.
    """

    def __init__(self, viewer: Any, title: str, make: Callable[[], P]) -> None:
        self._viewer, self._title, self._make = viewer, title, make
        self.panel: P | None = None
        self._dock: Any = None

    @property
    def shown(self) -> P | None:
        """The panel while it stands in the window."""
        return self.panel if self.panel is not None and self.panel.parent() is not None else None

    def open(self) -> None:
        """Show the panel.

        Raises
        ------
        InputError
            What it needs is missing.
        """
        if self.panel is None:
            self.panel = self._make()
            self.panel.destroyed.connect(self._forget)
        if self.panel.parent() is None:  # new, or its dock was closed
            window = self._viewer.window
            self._dock = window.add_dock_widget(self.panel, name=self._title, area="bottom")
        self._dock.show()

    def close(self) -> None:
        """Take the panel away for good."""
        panel, self.panel, self._dock = self.panel, None, None
        if panel is not None:
            if panel.parent() is not None:
                self._viewer.window.remove_dock_widget(panel)
            panel.deleteLater()

    def _forget(self, *_: Any) -> None:
        self.panel = None


class LookPanels:
    """The table and the plots.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_picked
        Called with a frozenset of the numbers of objects that are picked in them.
    on_asked
        Called with the number of an object to go to.
    """

    def __init__(
        self,
        viewer: Any,
        on_picked: Callable[[frozenset[int]], Any],
        on_asked: Callable[[int], Any],
    ) -> None:
        self._on_picked, self._on_asked = on_picked, on_asked
        self.table = PanelDock(viewer, "Look: table", self._make_table)
        self.plots: PanelDock[PlotPanel] = PanelDock(viewer, "Look: plots", self._make_plots)

    def show(self, view: TableView | None, look: Look) -> None:
        """Show what of a table is seen in the viewer; without a table, no rows."""
        table, plots = self.table.shown, self.plots.shown
        passing = np.zeros(0, bool)
        if view is not None and not (table is None and plots is None):
            passing = view.table.passing(look.filters)
        if table is not None:
            table.show_rows(None if view is None else view.table, passing, look.selected)
        if view is None or plots is None:
            return
        colours = None
        if look.column is not None:
            values = view.table.values(look.column)
            colours = colours_of(values, *view.table.limits(look.column))
        plots.show_rows(view.table, passing, look.selected, colours)

    def close(self) -> None:
        """Take both away for good."""
        self.table.close()
        self.plots.close()

    def _make_table(self) -> TablePanel:
        panel = TablePanel()
        panel.picked.connect(self._on_picked)
        panel.asked.connect(self._on_asked)
        return panel

    def _make_plots(self) -> PlotPanel:
        from .plots import PlotPanel

        panel = PlotPanel()
        panel.picked.connect(self._on_picked)
        return panel
