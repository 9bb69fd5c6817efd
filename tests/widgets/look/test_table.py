"""The table of objects, in a window: rows follow filters, and the selection goes both ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_cytosynth.tasks.look.table import ObjectTable
from napari_cytosynth.widgets.common.canvas import camera_of
from napari_cytosynth.widgets.look.table.model import RowModel

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    return viewer


@pytest.fixture
def shown(widget, qtbot):
    widget.show_button.native.click()
    found = widget.table
    qtbot.wait_until(lambda: found.view.viewport().height() > 60)
    QApplication.processEvents()
    return found


def cells(model, column):
    """Texts of a column as shown."""
    at = model.names.index(column)
    return [model.data(model.index(row, at)) for row in range(model.rowCount())]


def middle(view, row, column=0):
    return view.visualRect(view.model().index(row, column)).center()


def click_head(qtbot, view, column):
    head = view.horizontalHeader()
    place = middle(view, 0, column)
    place.setX(head.sectionViewportPosition(column) + head.sectionSize(column) // 2)
    place.setY(head.height() // 2)
    qtbot.mouseClick(head.viewport(), LEFT, pos=place)


def selected_labels(panel):
    return {int(label) for label in panel.model.labels[panel.rows]}


def test_a_click_on_a_row_selects_its_object_whatever_its_place(widget, labels, shown, qtbot):
    assert cells(shown.model, "label") == ["1", "2", "3", "4", "9"]
    qtbot.mouseClick(shown.view.viewport(), LEFT, pos=middle(shown.view, 4))
    assert widget.selected == {9}  # the fifth row: not object 4 or 5
    assert labels.selected_label == 9
    assert widget.row.text_of("own") == "5"


def test_a_click_in_the_image_selects_the_row(viewer, widget, shown, mouse):
    viewer.reset_view()
    mouse.click(50, 20)
    assert widget.selected == {4}
    assert selected_labels(shown) == {4}
    assert shown.rows == [3]


def test_rows_are_those_that_pass(widget, shown, settle):
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    assert cells(shown.model, "label") == ["1", "2", "4"]
    widget.select(4)
    assert shown.rows == [2]
    widget.reset_look()
    settle(widget)
    assert len(cells(shown.model, "label")) == 5
    assert not shown.rows


def test_a_head_sorts_and_the_selection_stays(widget, shown, qtbot):
    widget.select(4)
    confidence = shown.model.names.index("confidence")
    click_head(qtbot, shown.view, confidence)
    assert cells(shown.model, "label") == ["4", "2", "3", "1", "9"]  # no value: last
    assert shown.rows == [0]
    click_head(qtbot, shown.view, confidence)
    assert cells(shown.model, "label") == ["1", "3", "2", "4", "9"]
    assert cells(shown.model, "confidence") == ["0.9", "0.7", "0.5", "0.1", ""]
    assert widget.selected == {4}
    assert selected_labels(shown) == {4}
    click_head(qtbot, shown.view, shown.model.names.index("kind"))
    assert cells(shown.model, "kind") == ["a", "a", "a", "b", "b"]


def test_the_order_holds_when_the_table_changes(widget, labels, table, shown, settle, qtbot):
    click_head(qtbot, shown.view, shown.model.names.index("confidence"))
    labels.features = table.assign(confidence=[0.1, 0.2, 0.3, 0.4, 0.5])
    settle(widget)
    assert cells(shown.model, "label") == ["1", "2", "3", "4", "9"]
    assert cells(shown.model, "confidence")[0] == "0.1"


def test_several_rows_are_picked_and_shown_as_selected(widget, shown, qtbot):
    view = shown.view.viewport()
    qtbot.mouseClick(view, LEFT, pos=middle(shown.view, 0))
    qtbot.mouseClick(view, LEFT, Qt.KeyboardModifier.ShiftModifier, pos=middle(shown.view, 2))
    assert widget.selected == {1, 2, 3}
    qtbot.mouseClick(view, LEFT, Qt.KeyboardModifier.ControlModifier, pos=middle(shown.view, 1))
    assert widget.selected == {1, 3}
    assert shown.rows == [0, 2]
    qtbot.keyClick(shown.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["label", "1", "3"]


def test_two_clicks_go_to_the_object(viewer, widget, shown, qtbot):
    qtbot.mouseClick(shown.view.viewport(), LEFT, pos=middle(shown.view, 3))
    qtbot.mouseDClick(shown.view.viewport(), LEFT, pos=middle(shown.view, 3))
    assert widget.wait(20)
    assert widget.selected == {4}
    assert camera_of(viewer).center[-2:] == (49.5, 19.5)


def test_the_heads_explain_their_columns_and_nothing_can_be_edited(shown):
    model = shown.model
    tip = Qt.ItemDataRole.ToolTipRole
    area = model.headerData(model.names.index("area_px"), Qt.Orientation.Horizontal, tip)
    assert "number of pixels" in area
    own = model.headerData(model.names.index("own"), Qt.Orientation.Horizontal, tip)
    assert own == "own"
    assert not model.flags(model.index(0, 0)) & Qt.ItemFlag.ItemIsEditable


def test_another_layer_and_none_are_followed(viewer, widget, labels, pixels, shown):
    bare = viewer.add_labels(pixels, name="bare")
    widget.objects.value = bare
    assert shown.model.rowCount() == 0
    widget.objects.value = labels
    assert shown.model.rowCount() == 5
    viewer.window.remove_dock_widget(widget.native)
    assert "Look: table" not in viewer.window.dock_widgets


def test_a_table_without_numbers_of_its_objects_gets_them():
    frame = pd.DataFrame({"area_px": [0.0, 5.0, 7.0]})
    model = RowModel()
    model.show_rows(ObjectTable.of(frame, "cells"), np.ones(2, bool))
    assert cells(model, "label") == ["1", "2"]  # row 0 is of the background
    assert cells(model, "area_px") == ["5", "7"]


def test_numbers_of_objects_may_be_large(viewer, make_look, pixels, table, settle):
    pixels[pixels == 9] = 100_000
    layer = viewer.add_labels(pixels, features=table.replace({"label": {9: 100_000}}))
    widget = make_look()
    settle(widget)
    widget.filters.add("area_px").high.setValue(90)
    settle(widget)
    shown = layer.colormap.map(np.array([100_000, 1, 100_001, 70_000]))
    assert shown[:, 3].tolist() == [1, 0, 0, 0]
    widget.select(100_000)
    assert layer.colormap.map(np.array([100_000]))[0].tolist() == pytest.approx([1, 0.1, 0.6, 1])


def test_numbers_that_cannot_be_coloured_are_said(
    viewer, make_look, pixels, table, settle, monkeypatch
):
    # with numba, which comes with napari on some Pythons, all numbers can be
    monkeypatch.setattr("napari_cytosynth.widgets.look.layer_colours.find_spec", lambda _: None)
    pixels[pixels == 9] = 2**29
    layer = viewer.add_labels(pixels, features=table.replace({"label": {9: 2**29}}))
    widget = make_look()
    settle(widget)
    assert "above 268,435,456" in widget.status.value
    assert "relabel_sequential" in widget.status.value
    layer.features = table[table["label"] < 9]  # the large one has no row
    settle(widget)
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    viewer.screenshot(flash=False)  # napari draws it
    assert layer.colormap.map(np.array([1, 4, 2**29]))[:, 3].tolist() == [1, 1, 0]
