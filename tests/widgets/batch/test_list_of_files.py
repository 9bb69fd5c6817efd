"""The list as users handle it: sorted, narrowed, filled by dropping, worked by keys and clicks."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_cytosynth.tasks.batch.settings import save_settings

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def ran(filled, batch, images):
    """A Batch widget whose run has ended: a failed image, a doubtful one, and two more."""
    for name in ("a10.tif", "a9.tif"):
        (images / name).write_bytes((images / "a.tif").read_bytes())
    (images / "b.tif").unlink()
    (images / "c.tif").unlink()
    batch.doubt = {2: "Too dark."}
    filled.inputs = [images]
    assert filled.wait(10)
    filled.run()
    assert filled.wait(10)
    assert filled.rows[2].doubtful
    return filled


def shown(widget):
    model = widget._file_list.model()
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


def as_done(widget):
    return [row.item.title for row in widget.rows]


def test_names_are_sorted_with_their_numbers_as_numbers(ran, qtbot):
    header = ran._file_list.horizontalHeader()
    assert shown(ran) == as_done(ran)
    place = QPoint(header.sectionPosition(0) + 20, header.height() // 2)
    qtbot.mouseClick(header.viewport(), LEFT, pos=place)
    ascending = ["0 broken.tif", "a.tif", "a9.tif", "a10.tif"]
    assert shown(ran) == ascending
    qtbot.mouseClick(header.viewport(), LEFT, pos=place)
    assert shown(ran) == ascending[::-1]
    qtbot.mouseClick(header.viewport(), LEFT, pos=place)
    assert shown(ran) == as_done(ran)


def test_states_are_sorted_by_what_needs_a_look(ran):
    ran._file_list.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    order = shown(ran)
    assert order[0] == "0 broken.tif"
    assert order[1] == ran.rows[2].item.title
    counts = {row.item.title: row.outcome.count for row in ran.rows}
    assert counts[order[2]] < counts[order[3]]


def test_the_list_is_narrowed_by_state_and_name(ran):
    doubtful = ran.rows[2].item.title
    ran.shown.value = "to be looked at"
    assert shown(ran) == ["0 broken.tif", doubtful]
    ran.shown.value = "failed"
    assert shown(ran) == ["0 broken.tif"]
    ran.shown.value = "done"
    assert len(shown(ran)) == 3
    ran.find.value = "A1"
    assert shown(ran) == ["a10.tif"]
    ran.shown.value, ran.find.value = "all", ""
    assert shown(ran) == as_done(ran)
    assert len(ran.rows) == 4


def test_a_row_leaves_a_list_that_it_does_not_belong_to_any_more(filled, batch):
    filled.shown.value = "waiting"
    assert len(shown(filled)) == 3
    filled.run()
    assert filled.wait(10)
    assert shown(filled) == []


def test_click_and_enter_open_the_row_that_is_seen(ran, qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(type(ran), "open_row", lambda _, number: opened.append(number))
    ran._file_list.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    table = ran._file_list
    index = table.model().index(0, 0)
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualRect(index).center())
    assert [ran.rows[number].item.title for number in opened] == ["a10.tif"]
    opened.clear()
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert ran.detail.value.startswith("a9.tif")
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert [ran.rows[number].item.title for number in opened] == ["a9.tif"]


def dragged(table, urls):
    """Drop something on the list; return whether it was taken."""
    mime = QMimeData()
    mime.setUrls(urls)
    button, key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), copy, mime, button, key)
    QApplication.sendEvent(table.viewport(), enter)
    if enter.isAccepted():
        drop = QDropEvent(QPointF(5, 5), copy, mime, button, key)
        QApplication.sendEvent(table.viewport(), drop)
    return enter.isAccepted()


def test_files_folders_and_settings_are_dropped(make_batch_widget, images, tmp_path, ran):
    widget = make_batch_widget()
    table = widget._file_list
    assert dragged(table, [QUrl.fromLocalFile(str(images / "a.tif"))])
    assert dragged(table, [QUrl.fromLocalFile(str(images / name)) for name in ("a.tif", "a9.tif")])
    assert widget.wait(10)
    assert as_done(widget) == ["a.tif", "a9.tif"]
    settings = save_settings(ran.settings, tmp_path / "mine.yaml")
    assert dragged(table, [QUrl.fromLocalFile(str(settings)), QUrl.fromLocalFile(str(images))])
    assert widget.wait(10)
    assert widget.settings == ran.settings
    assert widget.inputs[-1] == str(images)
    widget._pick[2].native.click()
    assert widget.wait(10)
    assert widget.inputs == ()
    assert as_done(widget) == []


def test_what_is_no_file_and_what_comes_during_a_run_is_refused(filled, batch, images):
    assert not dragged(filled._file_list, [QUrl("https://example.org/a.tif")])
    batch.hold_at = 1
    filled.run()
    assert batch.held.wait(10)
    before = filled.inputs
    assert not dragged(filled._file_list, [QUrl.fromLocalFile(str(images / "a.tif"))])
    assert filled.inputs == before
    batch.gate.set()
    assert filled.wait(10)
    assert dragged(filled._file_list, [QUrl.fromLocalFile(str(images / "a.tif"))])
