"""What a row of the list says of its file, in each state."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome
from napari_cytosynth.widgets.batch.file_list import FileList
from napari_cytosynth.widgets.batch.file_rows import FileRow, rows_of

ITEM = BatchItem(Path("/in/a.tif"), "a.tif", 1)


def row(state, **facts):
    return FileRow(ITEM, state, BatchOutcome(ITEM, state, **facts))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (FileRow(ITEM), "waiting"),
        (FileRow(ITEM, "running"), "running"),
        (row("done", count=1), "✓ 1 object"),
        (row("done", count=1200), "✓ 1,200 objects"),
        (row("done"), "✓ done"),
        (row("done", doubt="Dark."), "⚠ doubtful, done"),
        (row("done", count=0, doubt="Dark."), "⚠ 0 objects, doubtful"),
        (row("skipped", count=3), "✓ 3 objects, done earlier"),
        (row("skipped"), "✓ done earlier"),
        (row("failed", sentence="Gone."), "✗ failed: Gone."),
    ],
)
def test_a_state_in_a_few_words(shown, said):
    assert shown.summary == said


def test_each_sentence_is_said_once():
    shown = row("skipped", doubt="Dark.", sentence="Kept.", messages=("Dark.", "Note."))
    assert shown.sentence == "Dark. Kept. Note."
    assert shown.doubtful
    assert not row("failed", doubt="Dark.").doubtful


def test_the_table_shows_rows_as_plain_text(qtbot):
    table = FileList()
    qtbot.addWidget(table)
    bad = BatchItem(Path("/in/<b>.tif"), "<b>.tif\n", problem="<i>Gone</i>.")
    table.files.show(rows_of([ITEM, bad]))
    model, tip = table.files, Qt.ItemDataRole.ToolTipRole
    assert model.rowCount() == 2
    assert model.data(model.index(0, 0)) == "a.tif [1]"
    assert "\n" not in model.data(model.index(1, 0))
    assert model.data(model.index(1, 1)) == "✗ failed: <i>Gone</i>."
    assert "&lt;i&gt;" in model.data(model.index(1, 0), tip)
    assert table.chosen() is None
    table.selectRow(1)
    assert table.chosen() == 1
