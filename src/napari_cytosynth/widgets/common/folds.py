"""Parts of a form that fold away, alone or so that one is open at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QLayout

__all__ = ["Fold", "Folds"]

_REPAINTED = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange)


class Fold(QCollapsible):
    """A folded part under a title, whose arrow has the colour of the text in every theme.

    superqt draws the arrow once, when the part is in no window yet: black, on dark ground, too.

    Parameters
    ----------
    title
        Text beside the arrow.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, expandedIcon="▼", collapsedIcon="▶")
        self.collapse(animate=False)

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw the arrow anew when the theme changes."""
        super().changeEvent(event)
        if event is not None and event.type() in _REPAINTED and hasattr(self, "_collapsed_icon"):
            self.setExpandedIcon("▼")
            self.setCollapsedIcon("▶")


class Folds:
    """Folded parts of a layout; opening one closes the others.

    A whole panel thus fits a laptop's screen.

    Parameters
    ----------
    layout
        Layout that the parts are added to.
    """

    def __init__(self, layout: QLayout) -> None:
        self._layout = layout
        self._folds: list[Fold] = []

    def add(self, title: str, *parts: Any) -> None:
        """Add magicgui widgets under a title."""
        folded = Fold(title)
        for part in parts:
            folded.addWidget(part.native)
        folded.toggled.connect(lambda opened: self._close_others(folded) if opened else None)
        self._folds.append(folded)
        self._layout.addWidget(folded)

    def unfold(self, title: str) -> None:
        """Open a part by its title."""
        for folded in self._folds:
            if folded.text() == title:
                folded.expand(animate=False)

    def is_open(self, title: str) -> bool:
        """Return whether a part is open."""
        return any(fold.isExpanded() for fold in self._folds if fold.text() == title)

    def on_fold(self, title: str, action: Callable[[bool], Any]) -> None:
        """Call `action` when a part is opened (True) or closed (False)."""
        for folded in self._folds:
            if folded.text() == title:
                folded.toggled.connect(action)

    def _close_others(self, opened: Fold) -> None:
        for folded in self._folds:
            if folded is not opened:
                folded.collapse(animate=False)
