"""Inputs of a form for the keyboard and screen readers: names, Tab order, the mark of the focus."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollBar,
    QTextEdit,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QPaintEvent
    from qtpy.QtWidgets import QLayout

__all__ = ["FocusMark", "inputs", "name_inputs", "name_of"]


_INPUTS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QTextEdit,
)
_WITH_PARTS = (QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit)
_RING = 2  # px


def inputs(form: QWidget) -> list[QWidget]:
    """Return all that can be pressed, typed into or chosen from, in the order of the layout."""
    found: list[QWidget] = []
    for part in _children(form):
        if isinstance(part, _INPUTS) and not isinstance(part, QScrollBar):
            found.append(part)
        if not isinstance(part, _WITH_PARTS):
            found += inputs(part)
    return found


def _children(form: QWidget) -> list[QWidget]:
    """Return the widgets within another: those in its layout, then those that are in none."""
    layout = form.layout()
    placed = [] if layout is None else list(_placed(layout))
    others = [part for part in form.children() if isinstance(part, QWidget) and part not in placed]
    return [*placed, *others]


def _placed(layout: QLayout) -> Iterator[QWidget]:
    for number in range(layout.count()):
        item = layout.itemAt(number)
        widget, below = (None, None) if item is None else (item.widget(), item.layout())
        if widget is not None:
            yield widget
        elif below is not None:
            yield from _placed(below)


def name_of(part: QWidget) -> str:
    """Return what a screen reader calls a part; empty if it has no name."""
    named = str(part.accessibleName())
    text = str(part.text()) if isinstance(part, QAbstractButton) else ""
    return named or text or _caption(part)


def name_inputs(form: QWidget) -> None:
    """Name every input of a form, and let the Tab key go through them as they stand.

    A caption in the same row names an input, also when its text changes later; without one its
    tooltip does, or what stands in it while it is empty.

    Parameters
    ----------
    form
        With its parts in place. Parts that come later are named by a second call.
    """
    parts = inputs(form)
    for part in parts:
        label = _label_before(part)
        if label is not None:
            label.setBuddy(part)
        if not name_of(part):
            part.setAccessibleName(_first_sentence(part))
    for first, second in pairwise(parts):
        QWidget.setTabOrder(first, second)


def _caption(part: QWidget) -> str:
    label = _label_before(part)
    return str(label.text()).strip() if label is not None and label.buddy() is part else ""


def _label_before(part: QWidget) -> QLabel | None:
    """Return the label to the left of a part, in the same row."""
    parent = part.parentWidget()
    row = None if parent is None else parent.layout()
    if not isinstance(row, QHBoxLayout) or row.indexOf(part) < 1:
        return None
    before = row.itemAt(row.indexOf(part) - 1)
    label = None if before is None else before.widget()
    return label if isinstance(label, QLabel) and str(label.text()).strip() else None


def _first_sentence(part: QWidget) -> str:
    placeholder = str(part.placeholderText()) if isinstance(part, QLineEdit) else ""
    parent = part.parentWidget()
    beside = [] if parent is None else parent.children()
    sliders = [str(one.toolTip()) for one in beside if isinstance(one, QAbstractSlider)]
    text = str(part.toolTip()) or (sliders or [""])[0]  # the number beside a slider
    return text.partition(". ")[0].strip().removesuffix(".") or placeholder


class FocusMark(QObject):
    """Draws a frame around the part of a form that the keyboard is at, as napari's style does not.

    Parts that were clicked have none.

    Parameters
    ----------
    form
        The frame is on parts of it, also on those that come later.
    """

    def __init__(self, form: QWidget) -> None:
        super().__init__(form)
        self._form = form
        self._ring: _Ring | None = None
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._follow)

    def _follow(self, _: QWidget | None, part: QWidget | None) -> None:
        ring, self._ring = self._ring, None
        if ring is not None:
            with suppress(RuntimeError):  # it went with its part
                ring.hide()
                ring.deleteLater()
        if part is not None and self._form.isAncestorOf(part) and _by_keyboard(part):
            self._ring = _Ring(part)


class _Ring(QWidget):
    """A frame on top of a part, which moves and goes with it, in the colour of its text."""

    def __init__(self, part: QWidget) -> None:
        super().__init__(part)
        self._part = part
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(part.rect())
        part.installEventFilter(self)
        self.show()

    def eventFilter(self, part: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._part.rect())
        return False

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        pen = QPen(self._part.palette().windowText().color())
        pen.setWidth(_RING)
        painter.setPen(pen)
        inset = _RING // 2
        painter.drawRect(self.rect().adjusted(inset, inset, -inset, -inset))
        painter.end()


def _by_keyboard(part: QWidget) -> bool:
    """Return whether the Tab key or a letter with Alt has moved the focus."""
    window = part.window()
    attribute = Qt.WidgetAttribute.WA_KeyboardFocusChange
    return window is not None and bool(window.testAttribute(attribute))
