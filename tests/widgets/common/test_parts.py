"""A label that is held at its size lets a text in without a new layout of its form."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_cytosynth.widgets.common.parts import Steady, plain_label

SHORT, OTHER, LONG = "12 objects", "1234 objects", "a sentence of many words " * 12


class Layouts(QObject):
    """Counts how often a form is asked for a new layout."""

    def __init__(self, form):
        super().__init__(form)
        self.count = 0
        form.installEventFilter(self)

    def eventFilter(self, watched, event):
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


@pytest.fixture
def form(qtbot):
    """A shown form with a label that says something."""
    form = QWidget()
    qtbot.addWidget(form)
    label = plain_label("readout").native
    QVBoxLayout(form).addWidget(label)
    label.setText(SHORT)
    form.resize(300, 200)
    form.show()
    QApplication.processEvents()
    return form, label


def test_a_text_that_fits_makes_no_layout_while_held(form) -> None:
    outer, label = form
    layouts = Layouts(outer)
    label.setText(OTHER)
    QApplication.processEvents()
    assert layouts.count  # without, it does
    steady = Steady(label)
    steady.hold()
    QApplication.processEvents()
    layouts.count = 0
    label.setText(SHORT)
    steady.make_room()
    QApplication.processEvents()
    assert not layouts.count


def test_a_text_that_does_not_fit_gets_its_room(form) -> None:
    _, label = form
    least, largest = QSize(label.minimumSize()), QSize(label.maximumSize())
    steady = Steady(label)
    steady.hold()
    label.setFixedHeight(20)
    label.setText(LONG)
    steady.make_room()
    QApplication.processEvents()
    assert (label.minimumSize(), label.maximumSize()) == (least, largest)
    assert label.height() >= label.heightForWidth(label.width())


def test_afterwards_the_size_is_free_again(form) -> None:
    outer, label = form
    steady = Steady(label)
    for _ in range(2):
        steady.hold()
    steady.release()
    steady.release()
    outer.resize(500, 200)
    QApplication.processEvents()
    assert label.width() > 400


def test_what_is_not_shown_is_not_held(qtbot) -> None:
    label = plain_label("readout").native
    qtbot.addWidget(label)
    Steady(label).hold()
    assert label.minimumSize() != label.maximumSize()
