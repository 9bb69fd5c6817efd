"""A histogram and a scatter of two columns, linked to the objects that are selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_cytosynth.widgets.common.plotting import match_theme, plot_library

from .lasso import Lasso, inside

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_cytosynth.tasks.look.table import ObjectTable

__all__ = ["PlotPanel"]

_BINS = 40
_LIT, _FILL = (255, 26, 153), (240, 161, 60, 200)
_HELP = "Click a bar or a point, or draw around points: these objects are selected in the viewer."


class PlotPanel(QWidget):
    """Histogram of one column, and its scatter against another.

    Emits ``picked`` with a frozenset of the numbers of objects.
    """

    picked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._library = plot_library()
        self._table: ObjectTable | None = None
        self._rows = np.zeros(0, np.int64)
        self._columns: list[Hashable] = []
        self._selected: frozenset[int] = frozenset()
        self._colours: np.ndarray | None = None
        self._edges = np.zeros(0)
        self.first, self.second = QComboBox(), QComboBox()
        for box in (self.first, self.second):
            box.setMinimumContentsLength(12)
            box.currentIndexChanged.connect(self._draw)
        self.histogram, self.scatter = (self._library.PlotWidget() for _ in range(2))
        self._arrange()
        self._add_items()

    def _arrange(self) -> None:
        layout, choice, plots = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout()
        layout.setContentsMargins(4, 0, 4, 4)
        for part in (QLabel("histogram of"), self.first, QLabel("against"), self.second):
            choice.addWidget(part)
        choice.addStretch()
        for plot in (self.histogram, self.scatter):
            plot.setMinimumSize(160, 82)  # with what napari needs, 720 px are enough
            plot.setToolTip(_HELP)
            plot.hideButtons()
            for side in ("left", "bottom"):  # 0.95 is no 950 with a factor that nobody sees
                plot.getAxis(side).enableAutoSIPrefix(False)
            plots.addWidget(plot, 1)
        layout.addLayout(choice)
        layout.addLayout(plots, 1)

    def _add_items(self) -> None:
        library = self._library
        bars: dict[str, Any] = {"x0": [], "x1": [], "height": [], "pen": None}
        self._bars = library.BarGraphItem(**bars, brush=_FILL)
        self._lit_bars = library.BarGraphItem(**bars, brush=_LIT)
        self._points = library.ScatterPlotItem(size=7, pen=None)
        for item in (self._bars, self._lit_bars):
            self.histogram.addItem(item)
        self.histogram.setMouseEnabled(x=False, y=False)
        self.histogram.scene().sigMouseClicked.connect(self._on_bar)
        self.scatter.addItem(self._points)
        self._points.sigClicked.connect(self._on_points)
        self.lasso = Lasso(library, self.scatter, self._on_lasso)

    # -- what is shown ------------------------------------------------------------------------

    def show_rows(
        self,
        table: ObjectTable,
        passing: np.ndarray,
        selected: frozenset[int],
        colours: np.ndarray | None,
    ) -> None:
        """Show rows of a table.

        Parameters
        ----------
        table
            The table.
        passing
            bool of shape (rows,): those that are shown.
        selected
            Numbers of the objects that are lit.
        colours
            RGBA in [0, 1] of shape (rows, 4); None: one colour for all.
        """
        if table.columns != self._columns:
            self._list(table.columns)
        self._table, self._rows = table, np.flatnonzero(passing)
        self._selected, self._colours = selected, colours
        self._draw()

    @property
    def columns(self) -> tuple[Hashable, tuple[Hashable, Hashable] | None]:
        """The column of the histogram, and the two of the scatter."""
        if not self._columns:
            return None, None
        first, second = (self._columns[box.currentIndex()] for box in (self.first, self.second))
        return first, (first, second)

    def _list(self, columns: list[Hashable]) -> None:
        wanted = [one for one in columns if one not in ("label", "index")] or columns
        for place, box in enumerate((self.first, self.second)):
            old = self._columns[box.currentIndex()] if box.count() else None
            column = old if old in columns else wanted[min(place, len(wanted) - 1)]
            box.blockSignals(True)
            box.clear()
            box.addItems([str(one) for one in columns])
            box.setCurrentIndex(columns.index(column))
            box.blockSignals(False)
        self._columns = columns

    def _values(self, box: QComboBox) -> np.ndarray:
        """Return the values of the rows that are shown."""
        assert self._table is not None
        return self._table.values(self._columns[box.currentIndex()])[self._rows]

    def _draw(self, *_: Any) -> None:
        if self._table is None:
            return
        x, y = self._values(self.first), self._values(self.second)
        labels = self._table.labels[self._rows]
        lit = np.isin(labels, list(self._selected))
        self._draw_bars(x, lit)
        self._match_theme()
        self.histogram.setLabel("left", "objects")
        self.scatter.setLabel("left", self.second.currentText())
        self._draw_points(x, y, lit, labels)

    def _match_theme(self) -> None:
        match_theme(self, (self.histogram, self.scatter))

    def changeEvent(self, event: QEvent | None) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange and self._table:
            self._match_theme()

    def _draw_bars(self, x: np.ndarray, lit: np.ndarray) -> None:
        known = x[np.isfinite(x)]
        self._edges = np.histogram_bin_edges(known, _BINS) if len(known) else np.array([0.0, 1.0])
        for item, values in ((self._bars, known), (self._lit_bars, x[lit & np.isfinite(x)])):
            counts = np.histogram(values, self._edges)[0]
            item.setOpts(x0=self._edges[:-1], x1=self._edges[1:], height=counts)
        self.histogram.setXRange(self._edges[0], self._edges[-1])

    def _draw_points(
        self, x: np.ndarray, y: np.ndarray, lit: np.ndarray, labels: np.ndarray
    ) -> None:
        if self._colours is None:
            rgba = np.tile(np.array(_FILL, np.uint8), (len(x), 1))
        else:
            rgba = np.round(self._colours[self._rows] * 255).astype(np.uint8)
        rgba[lit] = (*_LIT, 255)
        known = np.isfinite(x) & np.isfinite(y)
        order = np.flatnonzero(known)[np.argsort(lit[known], kind="stable")]  # lit ones on top
        brushes = {
            tuple(one): self._library.mkBrush(*one) for one in np.unique(rgba, axis=0).tolist()
        }
        self._points.setData(
            x=x[order],
            y=y[order],
            data=labels[order],
            size=np.where(lit[order], 11, 7),
            brush=[brushes[tuple(one)] for one in rgba[order].tolist()],
        )

    # -- what is picked -----------------------------------------------------------------------

    def _on_bar(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._table is None:
            return
        x = self.histogram.getViewBox().mapSceneToView(event.scenePos()).x()
        number = int(np.searchsorted(self._edges, x, "right")) - 1
        if not 0 <= number < len(self._edges) - 1:
            self.picked.emit(frozenset())
            return
        values, last = self._values(self.first), number == len(self._edges) - 2
        low, high = self._edges[number : number + 2]
        within = (values >= low) & ((values <= high) if last else (values < high))
        self._pick(within)

    def _on_points(self, _item: Any, points: Any, _event: Any = None) -> None:
        if len(points):
            self.picked.emit(frozenset([int(points[-1].data())]))  # the one on top

    def _on_lasso(self, corners: np.ndarray) -> None:
        if self._table is not None:
            places = np.stack([self._values(self.first), self._values(self.second)], axis=1)
            self._pick(inside(places, corners))

    def _pick(self, within: np.ndarray) -> None:
        assert self._table is not None
        labels = self._table.labels[self._rows[within]]
        self.picked.emit(frozenset(labels.tolist()))
