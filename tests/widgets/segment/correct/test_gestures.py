"""Corrections with the mouse and the keys, in a window."""

from __future__ import annotations

import numpy as np
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


@pytest.mark.binding
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


@pytest.mark.binding
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


def test_keys_are_given_back_with_the_tool(viewer, ran, mouse):
    layer = ran._live.labels_layer
    ran._hand.choose("delete")
    assert len(layer.keymap) == 4
    mouse.click(8, 8)
    assert ran.wait(20)
    ran._hand.put_away()
    assert not layer.keymap
    mouse.hover(35, 35)
    mouse.key(Qt.Key.Key_R)
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)  # napari's own
    assert labels(ran)[35, 35]
    assert not labels(ran)[8, 8]


def test_napari_s_brush_is_left_alone(viewer, ran, mouse):
    ran._hand.choose("delete")
    ran._live.labels_layer.mode = "paint"
    mouse.click(35, 35)
    assert not ran.segmentation.corrections
    ran._live.labels_layer.mode = "pan_zoom"
    other = viewer.add_shapes(name="region")
    other.mode = "add_rectangle"
    mouse.click(8, 8)
    assert not ran.segmentation.corrections


def test_hidden_labels_are_not_corrected(viewer, ran, mouse):
    ran._hand.choose("delete")
    ran._live.labels_layer.visible = False
    mouse.click(8, 8)
    assert ran.status.value == "⚠ The labels are hidden: show them to correct them."
    assert not ran.segmentation.corrections
    ran._live.labels_layer.visible = True
    viewer.dims.ndisplay = 3
    mouse.click(8, 8)
    assert "two-dimensional" in ran.status.value
    viewer.dims.ndisplay = 2


def test_the_labels_are_deleted_while_a_tool_is_in_hand(viewer, ran, mouse):
    ran._hand.choose("merge")
    mouse.click(8, 8)
    viewer.layers.remove(ran._live.labels_layer)
    assert ran._hand.tool == ""
    assert [layer.name for layer in viewer.layers] == ["cells", "probability – cells"]
    ran._hand.choose("merge")
    assert ran._hand.tool == ""
    assert "move the threshold" in ran.status.value
    ran.threshold.value = 0.4
    assert ran.wait(20)
    ran._hand.choose("delete")
    mouse.click(8, 8)
    assert not labels(ran)[8, 8]
    assert ran.wait(20)


def test_a_tool_goes_on_with_the_labels_that_come_after_painted_ones(viewer, ran, mouse):
    ran._hand.choose("delete")
    painted = ran._live.labels_layer
    painted.paint((60, 60), 9)
    ran.threshold.value = 0.4
    assert ran._live.labels_layer is not painted
    assert not painted.keymap
    mouse.click(8, 8)
    assert not labels(ran)[8, 8]
    assert painted.data[8, 8]
    assert ran.wait(20)


@pytest.fixture
def film(viewer, make_widget, blobs, qtbot):
    """A widget after a run on two planes, the second turned around."""
    viewer.add_image(np.stack([blobs, blobs.T]), name="film", axis_labels=("t", "y", "x"))
    widget = make_widget()
    widget.axes.value = "TYX"
    widget.run()
    assert widget.wait(20)
    viewer.reset_view()
    return widget


def test_both_clicks_of_a_merge_are_in_one_plane(viewer, film, mouse):
    viewer.dims.set_point(0, 0)
    film._hand.choose("merge")
    mouse.click(8, 8)
    viewer.dims.set_point(0, 1)
    mouse.click(35, 35)
    assert not film.segmentation.corrections
    assert film.status.value == (
        "Both objects have to be in the same plane. Now click the other object."
    )
    mouse.click(8, 8)
    assert [one.plane for one in film.segmentation.corrections.done] == [(1,)]
    assert film.wait(20)


def test_labels_of_a_plane_that_is_not_in_view_are_not_corrected(viewer, make_widget, blobs, mouse):
    viewer.add_image(np.stack([blobs, blobs]), name="film", axis_labels=("t", "y", "x"))
    widget = make_widget()
    widget.axes.value = "TYX"
    viewer.dims.set_point(0, 0)
    widget.planes.value = "current plane"
    widget.run()
    assert widget.wait(20)
    viewer.reset_view()
    viewer.dims.set_point(0, 1)
    widget._hand.choose("delete")
    mouse.click(8, 8)
    assert not widget.segmentation.corrections
    assert "another plane" in widget.status.value
    viewer.dims.set_point(0, 0)
    mouse.click(8, 8)
    assert len(widget.segmentation.corrections.done) == 1
    assert widget.wait(20)
