"""Clicks on objects and drags on histograms, in a window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_cytosynth.widgets.common.canvas import camera_of

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    return viewer


@pytest.fixture
def click(viewer, qtbot, widget, mouse):
    """Return a function that clicks a place of the image, or drags from it to another."""
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.wait_until(lambda: canvas.width() > 100)
    viewer.reset_view()

    def act(place, to=None):
        if to is None:
            mouse.click(*place)
        else:
            mouse.draw(place, to)

    return act


def test_a_click_selects_and_a_drag_does_not(viewer, widget, labels, click):
    click((50, 20))
    assert widget.selected == {4}
    assert labels.selected_label == 4
    assert widget.row.text_of("confidence") == "0.1"
    center = camera_of(viewer).center
    click((8, 8), (30, 30))
    assert widget.selected == {4}
    assert camera_of(viewer).center != center
    viewer.reset_view()
    click((70, 20))
    assert not widget.selected


def test_a_brush_in_hand_paints_and_does_not_select(widget, labels, click):
    labels.mode = "paint"
    click((50, 20))
    assert not widget.selected


def test_an_image_above_does_not_stand_in_the_way(viewer, widget, click):
    viewer.add_image(np.zeros((80, 100)), name="image")
    click((8, 8))
    assert widget.selected == {1}


def test_in_three_dimensions_a_click_selects_too(viewer, pixels, table, make_look, qtbot):
    stack = np.stack([pixels] * 8)
    viewer.add_labels(stack, features=table)
    widget = make_look()
    assert widget.wait(20)
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.wait_until(lambda: canvas.width() > 100)
    widget.step(1)  # the camera is on object 4
    widget.select(0)
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mousePress(canvas, LEFT, pos=middle)
    qtbot.mouseRelease(canvas, LEFT, pos=middle)
    assert widget.selected == {4}


def test_after_closing_clicks_are_napari_s_again(viewer, widget, click):
    count = len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(widget.native)
    assert len(viewer.mouse_drag_callbacks) == count - 1
    click((50, 20))
    assert not widget.selected


def test_the_ends_of_a_range_are_dragged(widget, seen, settle, qtbot):
    row = widget.filters.add("area_px")
    histogram = row.histogram
    qtbot.wait_until(lambda: histogram.width() > 100)
    drag(qtbot, histogram, 64, 200)
    settle(widget)
    assert seen() == [4]
    assert row.low.value() == pytest.approx(200, abs=3)
    drag(qtbot, histogram, row.low.value(), -100)
    drag(qtbot, histogram, 400, 90)
    settle(widget)
    assert seen() == [9]
    assert histogram.range[0] == 64  # the limit itself, not the value of a pixel
    qtbot.mouseDClick(histogram, LEFT, pos=QPoint(round(histogram.x_of(90)), 20))
    settle(widget)
    assert histogram.range == (64, 400)
    assert seen() == [1, 2, 4, 9]


def drag(qtbot, histogram, value, to):
    start, end = (QPoint(round(histogram.x_of(v)), 20) for v in (value, to))
    qtbot.mousePress(histogram, LEFT, pos=start)
    qtbot.mouseMove(histogram, end)
    QApplication.processEvents()
    qtbot.mouseRelease(histogram, LEFT, pos=end)
