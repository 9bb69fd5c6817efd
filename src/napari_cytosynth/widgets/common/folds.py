"""Folded parts of a panel, of which one is open at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QLayout

__all__ = ["Folds"]


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
        self._folds: list[QCollapsible] = []

    def add(self, title: str, *parts: Any) -> None:
        """Add magicgui widgets under a title."""
        folded = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
        for part in parts:
            folded.addWidget(part.native)
        folded.collapse(animate=False)
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

    def _close_others(self, opened: QCollapsible) -> None:
        for folded in self._folds:
            if folded is not opened:
                folded.collapse(animate=False)
