"""Place of a form's messages, which leaves the form below where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

__all__ = ["Messages"]

_LINES = 3


class Messages(QWidget):
    """A column of messages with room for three lines; it grows for longer ones and stays so.

    Parameters
    ----------
    parts
        Labels and bars, from top to bottom. A hidden bar keeps its place.
    """

    def __init__(self, *parts: QWidget) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        for part in parts:
            self._layout.addWidget(part)
        self._layout.addStretch()
        self._reserve()

    def put_first(self, part: QWidget) -> None:
        """Add a message above the others."""
        self._layout.insertWidget(0, part)

    def _reserve(self) -> None:
        self.setMinimumHeight(_LINES * self.fontMetrics().lineSpacing() + 16)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the height that a long message needed, until the form gets another width."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self._reserve()
        elif self.height() > self.minimumHeight():
            self.setMinimumHeight(self.height())
