"""Forms on a low screen: they scroll, and nothing is squeezed."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea
from superqt import QCollapsible

from napari_cytosynth.widgets.batch.widget import BatchWidget
from napari_cytosynth.widgets.generate.widget import GenerateWidget
from napari_cytosynth.widgets.measure import MeasureWidget
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.widgets.stain.widget import StainWidget

_LOW = (360, 480)  # px


@pytest.fixture(params=[SegmentWidget, StainWidget, GenerateWidget, MeasureWidget, BatchWidget])
def form(request, viewer, qtbot):
    widget = request.param(viewer)
    qtbot.addWidget(widget.native)
    return widget


@pytest.fixture
def segment_form(viewer, qtbot):
    widget = SegmentWidget(viewer)
    qtbot.addWidget(widget.native)
    widget._panel.confidence.visible = True
    widget.native.resize(*_LOW)
    widget.native.show()
    return widget


def wheel(target):
    """Turn the wheel over the middle of a part."""
    middle = target.rect().center()
    event = QWheelEvent(
        QPointF(middle), QPointF(target.mapToGlobal(middle)), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(target, event)


def test_a_form_asks_for_no_more_height_than_a_laptop_has(form):
    assert form.native.minimumSizeHint().height() < 400
    form.status.value = "A long sentence, such as one on a result that is doubted. " * 20
    assert form.native.minimumSizeHint().height() < 400


def unfold_all(form):
    for fold in form.native.findChildren(QCollapsible):
        fold.blockSignals(True)  # or it would close the others
        fold.expand(animate=False)
        fold.blockSignals(False)
    for _ in range(5):
        QApplication.processEvents()


def test_with_all_folds_open_nothing_is_cut_on_a_laptop(form, viewer):
    viewer.add_image(np.zeros((8, 8)), name="a name of a layer that is very long indeed " * 3)
    form.native.resize(form.native.minimumSizeHint().width(), 640)
    form.native.show()
    unfold_all(form)
    area = form.native.findChild(QScrollArea)
    content = area.widget()
    assert content.width() <= area.viewport().width()
    assert form.native.minimumSizeHint().width() < 420  # of 1280, in spite of the long name
    assert content.height() >= content.minimumSizeHint().height()
    bar = area.verticalScrollBar()
    assert bar.maximum() >= content.height() - area.viewport().height()


@pytest.mark.parametrize("form", [StainWidget], indirect=True)
def test_messages_move_nothing_below_them(form):
    form.native.resize(400, 700)
    form.native.show()

    def places():
        for _ in range(5):
            QApplication.processEvents()
        parts = (form._run_button.native, form.ticks.native, form._panel.native)
        return [part.mapTo(form.native, QPoint(0, 0)).y() for part in parts]

    before = places()
    form._show_running(True)
    form.status.value = "A sentence of a usual length on the result, in two lines of the form."
    assert places() == before
    form._show_running(False)
    form.status.value = ""
    assert places() == before
    form._show_check(["This image is unlike those of the training. " * 8])
    longer = places()
    assert longer[0] == before[0]  # Run stays under the pointer
    assert longer[1] > before[1]
    form._show_check([])
    assert places() == longer  # and nothing jumps back


def test_histograms_keep_their_height_in_a_low_window(segment_form, qtbot):
    segment_form.status.value = "A long sentence on the result. " * 20
    panel = segment_form._panel
    for histogram in (panel.slider.histogram, panel.confidence.slider.histogram):
        qtbot.waitUntil(lambda plot=histogram: plot.height() == plot.sizeHint().height())
    bar = segment_form.native.findChild(QScrollArea).verticalScrollBar()
    before = bar.maximum()
    segment_form._advanced.expand(animate=False)
    qtbot.waitUntil(lambda: bar.maximum() > before + 60)  # its three rows are below
    assert panel.slider.histogram.height() == panel.slider.histogram.sizeHint().height()
    assert segment_form.native.height() == _LOW[1]


def test_what_is_below_is_reached_and_nothing_is_cut_at_the_side(segment_form):
    QApplication.processEvents()
    area = segment_form.native.findChild(QScrollArea)
    assert area.verticalScrollBar().maximum() > 0
    assert area.widget().width() <= area.viewport().width()
    area.ensureWidgetVisible(segment_form._advanced)
    corner = segment_form._advanced.mapTo(segment_form.native, QPoint(0, 0))
    assert 0 <= corner.y() < _LOW[1]


def test_the_wheel_scrolls_and_changes_no_field_that_is_not_in_use(segment_form):
    QApplication.processEvents()
    before = segment_form.threshold.value
    bar = segment_form.native.findChild(QScrollArea).verticalScrollBar()
    wheel(segment_form.threshold.native)
    wheel(segment_form._panel.slider.track)
    assert segment_form.threshold.value == before
    assert bar.value() > 0


def test_a_wide_content_widens_the_form(segment_form):
    segment_form._extras.native.setMinimumWidth(700)
    segment_form._advanced.expand(animate=False)
    QApplication.processEvents()
    assert segment_form.native.minimumSizeHint().width() > 700
