"""Corrections with the mouse and the keys, in a window."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_cytosynth.widgets.common.canvas import camera_of

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    return viewer


@pytest.fixture
def ran(viewer, ran, qtbot):
    viewer.reset_view()
    qtbot.wait_until(lambda: viewer.window._qt_viewer.canvas.native.width() > 100)
    viewer.reset_view()
    return ran


def labels(widget):
    return widget._live.labels_layer.data


def test_click_to_delete_and_to_merge(ran, mouse, qtbot):
    _open(ran, qtbot)
    qtbot.mouseClick(ran._hand.tools["merge"].native, LEFT)
    assert ran._hand.tool == "merge"
    mouse.click(8, 8)
    assert ran.status.value == "Now click the other object."
    mouse.click(35, 35)
    assert labels(ran)[8, 8] == labels(ran)[35, 35] > 0
    qtbot.mouseClick(ran._hand.tools["delete"].native, LEFT)
    assert ran._hand.tool == "delete"
    mouse.click(8, 8)
    assert ran.wait(20)
    assert not labels(ran).any()
    mouse.click(8, 8)
    assert ran.status.value == "⚠ There is no object at this point."


def _open(ran, qtbot):
    """Unfold the panel, and wait until its buttons have their places."""
    ran._hand.fold.expand(animate=False)
    qtbot.wait_until(lambda: ran._hand.tools["merge"].native.height() > 10)


def test_a_line_cuts_and_does_not_move_the_view(viewer, ran, mouse):
    ran._hand.choose("cut")
    camera = camera_of(viewer)
    center = camera.center
    mouse.draw((3, 10), (8, 10), (17, 10))
    assert labels(ran)[10, 6] != labels(ran)[10, 13]
    assert camera.center == center
    assert camera.mouse_pan
    ran._hand.choose("delete")
    mouse.draw((8, 8), (20, 20), (30, 30))  # this moves the view, and deletes nothing
    assert labels(ran)[10, 6]
    assert camera.center != center
    assert ran.wait(20)


def test_an_outline_paints(ran, mouse, blobs):
    ran._hand.choose("paint")
    mouse.draw((50, 5), (50, 15), (60, 15), (60, 5))
    assert ran.wait(20)
    assert labels(ran)[55, 10] == 3


def test_keys_act_on_the_object_under_the_pointer_and_undo(viewer, ran, mouse):
    ran._hand.choose("delete")
    mouse.hover(8, 8)
    mouse.key(Qt.Key.Key_A)
    assert ran.wait(20)
    assert "accepted" in list(ran._live.labels_layer.features["correction"])
    mouse.hover(35, 35)
    mouse.key(Qt.Key.Key_R)
    assert not labels(ran)[35, 35]
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ran.wait(20)
    assert labels(ran)[35, 35]


def test_a_tool_that_is_put_away_leaves_the_mouse_alone(viewer, ran, mouse, qtbot):
    _open(ran, qtbot)
    qtbot.mouseClick(ran._hand.tools["delete"].native, LEFT)
    qtbot.mouseClick(ran._hand.tools["delete"].native, LEFT)
    assert ran._hand.tool == ""
    mouse.click(8, 8)
    assert labels(ran)[8, 8]
    ran._hand.choose("cut")
    ran._hand.fold.collapse(animate=False)
    assert ran._hand.tool == ""
    assert ran._gestures._on_press not in viewer.mouse_drag_callbacks


def test_in_three_dimensions_nothing_is_corrected(viewer, ran, mouse):
    ran._hand.choose("delete")
    viewer.dims.ndisplay = 3
    mouse.click(8, 8)
    assert labels(ran)[8, 8]
    viewer.dims.ndisplay = 2
