"""What must be seen in both of napari's themes: where the keyboard is, and what folds away."""

from __future__ import annotations

import numpy as np
import pytest
from napari._qt.qt_resources import get_stylesheet
from napari.utils.theme import get_theme
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QPushButton,
    QSlider,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cytosynth.widgets.common.folds import Fold
from napari_cytosynth.widgets.common.parts import make_scrollable

KINDS = (QLineEdit, QPushButton, QSlider, QCheckBox, QComboBox, QTableWidget)


@pytest.fixture(params=["dark", "light"])
def form(request, qtbot):
    """A form with one part of each kind in a window of napari's theme."""
    form = QWidget()
    form.setProperty("theme", request.param)
    form.setStyleSheet(get_stylesheet(request.param))
    layout = QVBoxLayout(form)
    for kind in KINDS:
        layout.addWidget(kind())
    layout.addWidget(Fold("Advanced"))
    make_scrollable(form)
    qtbot.addWidget(form)
    with qtbot.waitExposed(form):
        form.show()
    form.activateWindow()
    qtbot.waitUntil(form.isActiveWindow)
    form.findChild(KINDS[0]).setFocus()
    return form


def written(form: QWidget, part: QWidget) -> np.ndarray:
    """Return where (Y, X) a part has the colour of the theme's text, as its window shows it."""
    area = QRect(part.mapTo(form, QPoint(0, 0)), part.size())
    image = form.grab(area).toImage().convertToFormat(QImage.Format.Format_RGB32)
    places = np.ndindex(image.height(), image.width())
    colours = np.array([image.pixelColor(x, y).getRgb()[:3] for y, x in places])
    text = get_theme(form.property("theme")).text.as_rgb_tuple()[:3]
    like = np.abs(colours - text).max(axis=1) < 40
    return like.reshape(image.height(), image.width())


def framed(form: QWidget, part: QWidget) -> bool:
    """Return whether the first and the last row of a part have the colour of the text."""
    return bool(written(form, part)[[0, -1]].mean() > 0.9)


def test_the_part_that_the_tab_key_comes_to_has_a_frame(form, qtbot):
    for kind in KINDS[1:]:
        part = form.findChild(kind)
        assert not framed(form, part), kind
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert QApplication.focusWidget() is part
        assert framed(form, part), kind
    part.resize(part.width() - 20, part.height() - 10)
    assert framed(form, part)
    form.findChild(QPushButton).setFocus()
    assert not framed(form, part)


def test_the_arrow_of_a_folded_part_has_the_colour_of_the_text(form):
    button = form.findChild(Fold).toggleButton()
    assert written(form, button)[:, :16].any()  # left of the title


def test_what_goes_away_or_is_clicked_leaves_no_frame(form, qtbot):
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    button, box = form.findChild(QPushButton), form.findChild(QCheckBox)
    assert framed(form, button)
    with qtbot.waitSignal(button.destroyed):
        button.deleteLater()
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton)
    box.setFocus(Qt.FocusReason.MouseFocusReason)
    qtbot.keyClick(box, Qt.Key.Key_Tab)
    assert framed(form, QApplication.focusWidget())
