"""Controls of the Stain widget for doubtful nuclei."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, PushButton, Slider
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QWidget

from napari_cytosynth.widgets.common.parts import align_captions, plain_label

from .colours import legend_style

__all__ = ["DoubtPanel"]

FIND = "Find nuclei and their doubt"
_LEGEND_PX = 12
_HIDDEN_LINES = 5  # of the sentence below the slider


class DoubtPanel(Container[Any]):
    """Button that finds nuclei, buttons that walk through them, and a slider that hides.

    Attributes
    ----------
    find
        Button that starts and cancels the search.
    found, row, hidden
        Sentences: on the search, on the nucleus that is looked at, and on what is hidden.
    previous, next
        Buttons that go through the nuclei.
    hide_doubtful
        Percentage to hide, the most doubtful first.
    """

    def __init__(self) -> None:
        self.find = PushButton(
            name="find",
            text=FIND,
            tooltip="Find the nuclei of the virtual stain, and stain the image again turned, "
            "mirrored and at other contrasts: what is not found again in the same outline is "
            "doubtful. Takes about as long as ten stainings.",
        )
        self.found = plain_label("found")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_LEGEND_PX)
        self.hide_doubtful = Slider(
            name="hide_doubtful",
            label="hide what is\ndoubtful, %",
            max=100,
            tooltip="Of a stain whose nuclei were found with their doubt: the share of the nuclei "
            "to hide, the most doubtful first. Of other stains: the share of the pixels, those "
            "first whose views differ most for their brightness. On the left all of it is back, "
            "on the right nothing is left.",
        )
        self.hidden = plain_label("hidden")
        self._make_walk()
        super().__init__(labels=True)
        self.margins = (0, 0, 0, 0)
        layout = self.native.layout()
        for part in (self.find.native, self.found.native, self.bar, self.legend, self._walk):
            layout.addWidget(part)
        layout.addWidget(self.row.native)
        self._hiding: Container[Any] = Container(widgets=[self.hide_doubtful], labels=True)
        self._hiding.margins = (0, 0, 0, 0)
        align_captions(self._hiding)
        layout.addWidget(self._hiding.native)
        layout.addWidget(self.hidden.native)  # as wide as the form: it is long
        line = self.hidden.native.fontMetrics().lineSpacing()
        self.hidden.native.setMinimumHeight(_HIDDEN_LINES * line)
        self.show_running(False)
        self.show_found(count=0, known=False)

    def _make_walk(self) -> None:
        self.legend = _legend()
        self.previous = PushButton(
            name="previous", text="◀ previous", tooltip="The nucleus looked at before."
        )
        self.next = PushButton(
            name="next",
            text="look at these first ▶",
            tooltip="The camera goes to the nuclei one by one, the most doubtful first; the line "
            "around the one that is meant is thick.",
        )
        self.row = plain_label("row")
        self._walk = QWidget()
        layout = QHBoxLayout(self._walk)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.previous.native)
        layout.addWidget(self.next.native, stretch=1)

    def show_running(self, running: bool) -> None:
        """Show that a search is under way, or is not."""
        self.find.text = "Cancel" if running else FIND
        self.bar.setVisible(running)
        self.bar.setRange(0, 0)

    def show_progress(self, done: int, total: int, message: str) -> None:
        """Show how far the search is."""
        self.bar.setRange(0, max(total, 0))
        self.bar.setValue(done)
        if message:
            self.found.value = f"{message} …"

    def show_found(self, *, count: int, known: bool) -> None:
        """Show the controls for a number of nuclei.

        Parameters
        ----------
        count
            0 hides them.
        known
            Whether their doubt is known: a legend of the colours is shown then.
        """
        self.legend.setVisible(count > 0 and known)
        self._walk.setVisible(count > 0)
        self.row.visible = count > 0
        self.row.value = ""


def _legend() -> QWidget:
    legend = QWidget()
    legend.setToolTip("Colours of the outlines: from calm to loud, by the doubt of each nucleus.")
    layout = QHBoxLayout(legend)
    layout.setContentsMargins(0, 0, 0, 0)
    bar = QLabel()
    bar.setFixedHeight(_LEGEND_PX)
    bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    bar.setStyleSheet(legend_style())
    layout.addWidget(QLabel("doubt 0"))
    layout.addWidget(bar, stretch=1)
    layout.addWidget(QLabel("1"))
    return legend
