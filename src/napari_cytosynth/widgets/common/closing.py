"""A question before napari's window closes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QThread
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CloseGuard"]


class CloseGuard(QObject):
    """Asks before the window that a widget is in is closed by its user, not by a script.

    Parameters
    ----------
    widget
        The widget.
    may_close
        Method that is called when the window is about to close; returns whether it may.
    """

    def __init__(self, widget: QWidget, may_close: Callable[[], bool]) -> None:
        super().__init__(widget)
        # weak: what Qt keeps alive would keep the window alive with it
        self._may_close = weakref.WeakMethod(may_close)
        self._watched: weakref.ref[QWidget] | None = None
        widget.installEventFilter(self)  # until it is in its window

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Watch the window that the widget is in, and ask before it closes."""
        kind = event.type()
        if watched is self.parent() and isinstance(watched, QWidget):
            if kind == QEvent.Type.Show:
                self._watch_window(watched)
            return False
        ask = self._may_close() if kind == QEvent.Type.Close and by_user(event) else None
        if ask is not None and not ask():
            event.ignore()
            return True
        return False

    def _watch_window(self, widget: QWidget) -> None:
        window: Any = widget.window()
        while window.parentWidget() is not None:  # of a dock that floats
            window = window.parentWidget().window()
        known = None if self._watched is None else self._watched()
        if window is not known and window is not widget:
            window.installEventFilter(self)
            self._watched = weakref.ref(window)


def by_user(event: Any) -> bool:
    """Return whether a user closes the window: by its button, or from a menu that Qt runs."""
    thread: Any = QThread.currentThread()
    return bool(event.spontaneous()) or thread.loopLevel() > 0
