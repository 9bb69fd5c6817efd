"""Curves of a training while it runs: loss, and score on what is held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.plotting import match_theme, plot_library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_cytosynth.training.teach.process.messages import Event

__all__ = ["CurvePanel"]

_HEIGHT, _LEAST_WIDTH = 130, 120  # px
_LOSS, _SCORE = (240, 161, 60), (90, 170, 240)


class CurvePanel(QWidget):
    """Two small plots; without the library that draws them, the last numbers as text.

    Attributes
    ----------
    losses, scores
        (step, value) of each point so far.
    text
        The last numbers in words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[tuple[int, float]] = []
        self.scores: list[tuple[int, float]] = []
        self._plots: list[Any] = []
        self._lines: list[Any] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        try:
            self._add_plots(plot_library())
        except InputError as error:
            self._label = QLabel(str(error))
            self._label.setWordWrap(True)
            self._label.setTextFormat(Qt.TextFormat.PlainText)
            layout.addWidget(self._label)
        for plot in self._plots:
            layout.addWidget(plot, 1)

    def _add_plots(self, library: Any) -> None:
        self.setFixedHeight(_HEIGHT)
        for title, colour in (("loss", _LOSS), ("held out", _SCORE)):
            plot = library.PlotWidget()
            plot.setMinimumWidth(_LEAST_WIDTH)
            # its hint would make the form wider than the canvas
            plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.setMouseEnabled(x=False, y=False)
            plot.setTitle(title, size="8pt")
            plot.getAxis("left").setWidth(34)
            dots = {"symbol": "o", "symbolSize": 5, "symbolBrush": colour, "symbolPen": None}
            own = {} if title == "loss" else dots
            self._lines.append(plot.plot([], [], pen=library.mkPen(colour, width=2), **own))
            self._plots.append(plot)
        self._start = library.InfiniteLine(
            angle=0, pen=library.mkPen(_SCORE, style=Qt.PenStyle.DashLine)
        )
        self._start.setVisible(False)
        self._plots[1].addItem(self._start)
        self._plots[1].setToolTip(
            "The score; of a generator the loss. Dashed: the model that it started from."
        )
        self._plots[0].setToolTip("Over optimiser steps; the mean of about a second.")

    @property
    def text(self) -> str:
        """The last numbers; empty before there are any."""
        words = []
        if self.losses:
            words.append(f"loss {self.losses[-1][1]:.3g}")
        if self.scores:
            start = f" (began with {self.scores[0][1]:.3f})" if self.scores[0][0] == 0 else ""
            words.append(f"score {self.scores[-1][1]:.3f}{start}")
        return ", ".join(words)

    def clear(self) -> None:
        """Show nothing."""
        self.losses, self.scores = [], []
        self._draw()
        match_theme(self, self._plots)

    def add(self, events: Iterable[Event]) -> None:
        """Add what a training has sent."""
        from napari_cytosynth.training.teach.process.messages import Learned, Scored

        for event in events:
            if isinstance(event, Learned):
                self.losses.append((event.step, event.loss))
            elif isinstance(event, Scored):
                value = event.scores.get("score", event.scores.get("loss"))  # of a generator
                if value is not None:
                    self.scores.append((event.step, value))
        self._draw()

    def _draw(self) -> None:
        if not self._plots:
            self._label.setText(self.text)
            return
        for line, points in zip(self._lines, (self.losses, self.scores), strict=True):
            line.setData([step for step, _ in points], [value for _, value in points])
        begun = bool(self.scores) and self.scores[0][0] == 0
        self._start.setVisible(begun)
        if begun:
            self._start.setValue(self.scores[0][1])

    def changeEvent(self, event: QEvent | None) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange and self._plots:
            match_theme(self, self._plots)
