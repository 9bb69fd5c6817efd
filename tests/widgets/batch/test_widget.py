"""The Batch widget with a stand-in for its process."""

from __future__ import annotations

import time

import pytest
from qtpy.QtWidgets import QApplication

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.batch.settings import BatchSettings, save_settings


def states(widget):
    return [row.state for row in widget.rows]


def seen(widget, part):
    return part.native.isVisibleTo(widget.native)


def test_files_are_listed_before_anything_is_done(filled, batch):
    assert states(filled) == ["failed", "waiting", "waiting", "waiting"]
    assert "TIFF without an image" in filled.rows[0].summary
    assert filled.status.value == "4 images: 1 failed, 3 waiting."
    assert filled._button.text == "Start"
    assert not batch.requests
    assert not seen(filled, filled.summary)


@pytest.mark.binding
def test_a_run_shows_the_state_of_each_file(filled, batch, tmp_path, images):
    batch.hold_at, batch.doubt = 2, {1: "Too dark."}
    filled.run()
    assert batch.held.wait(10)
    end = time.monotonic() + 10
    while states(filled)[2] != "running" and time.monotonic() < end:
        QApplication.processEvents()
    assert states(filled) == ["failed", "done", "running", "waiting"]
    assert filled._button.text == "Cancel"
    assert filled._bar.isVisibleTo(filled.native)
    assert not filled.out.enabled
    batch.gate.set()
    assert filled.wait(30)
    assert [row.summary for row in filled.rows[1:]] == [
        "⚠ 1 object, doubtful",
        "✓ 2 objects",
        "✓ 3 objects",
    ]
    assert filled.status.value == "4 images: 3 done, 1 doubtful, 1 failed. Note."
    assert seen(filled, filled.summary)
    place = tmp_path / "out"
    names = "batch-files.csv, batch-report.html"
    assert filled.summary.value == f"Tables and page in {place}: {names}"
    assert filled._button.text == "Start"
    assert filled.out.enabled
    (request,) = batch.requests
    assert request.inputs == (str(images),)
    assert request.out == str(tmp_path / "out")
    assert request.resume
    assert not request.overwrite
    assert request.settings.parameters == {"threshold": 0.4, "pixel_size": [0.5, 0.5]}


def test_a_cancelled_run_is_resumed(filled, batch):
    batch.hold_at = 2
    filled.run()
    assert batch.held.wait(10)
    filled._button.native.click()
    assert filled._button.text == "Cancelling …"
    assert filled.wait(10)
    assert states(filled) == ["failed", "done", "waiting", "waiting"]
    assert "Resume goes on" in filled.status.value
    assert filled._button.text == "Resume"
    batch.hold_at = None
    filled._button.native.click()
    assert filled.wait(10)
    assert states(filled) == ["failed", "skipped", "done", "done"]
    assert filled.rows[1].summary == "✓ 1 object, done earlier"
    assert batch.requests[1].resume
    assert filled._button.text == "Start"


def test_what_is_done_anew_begins_anew(filled, batch):
    batch.hold_at = 2
    filled.again.value = filled.overwrite.value = True
    filled.jobs.value = 3
    filled.run()
    assert batch.held.wait(10)
    filled.cancel()
    assert filled.wait(10)
    assert filled._button.text == "Start"
    assert "Resume" not in filled.status.value
    (request,) = batch.requests
    assert (request.resume, request.overwrite, request.jobs) == (False, True, 3)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [("settings", "From Segment"), ("inputs", "Choose the images"), ("out", "folder for the")],
)
def test_what_is_missing_is_told(
    make_batch_widget, chosen_settings, images, tmp_path, batch, lacking, said
):
    widget = make_batch_widget()
    if lacking != "settings":
        widget.take_settings(chosen_settings)
    if lacking != "inputs":
        widget.inputs = [images]
    if lacking != "out":
        widget.out.value = str(tmp_path / "out")
    assert widget.wait(10)
    widget.run()
    assert widget.status.value.startswith("⚠")
    assert said in widget.status.value
    assert not widget.busy
    assert not batch.requests


def test_bad_choices_are_told_in_words_of_the_form(filled, tmp_path, batch, bad_input):
    (tmp_path / "empty" / "within").mkdir(parents=True)
    filled.inputs = [tmp_path / "empty"]
    assert filled.wait(10)
    assert "holds no image file" in filled.status.value
    assert not filled.rows
    filled.inputs = [tmp_path]
    assert filled.wait(10)
    assert filled.status.value.endswith("tick “folders within”.")
    filled.recursive.value = True
    assert filled.wait(10)
    assert len(filled.rows) == 4
    filled.name_pattern.value = "(?P<well>[A-P"
    assert filled.wait(10)
    assert "no regular expression" in filled.status.value
    filled.name_pattern.value = ""
    assert filled.wait(10)
    batch.error = bad_input
    filled.run()
    assert filled.wait(10)
    assert (
        filled.status.value
        == "⚠ “x” is in the way. To replace it, tick “replace other files, too”."
    )
    assert filled._button.text == "Start"


def test_another_choice_during_a_run_changes_nothing(filled, batch, tmp_path, images):
    batch.hold_at = 2
    filled.run()
    assert batch.held.wait(10)
    filled.name_pattern.value = "(?P<x>.)"
    filled.run()
    batch.gate.set()
    assert filled.wait(10)
    assert len(batch.requests) == 1
    assert states(filled) == ["failed", "done", "done", "done"]


def test_settings_come_from_a_file(make_batch_widget, chosen_settings, tmp_path):
    widget = make_batch_widget()
    path = save_settings(chosen_settings, tmp_path / "mine.yaml")
    widget.load_settings(path)
    assert widget.wait(10)
    assert widget.settings == chosen_settings
    about = "mine.yaml: segment · model · threshold 0.4, pixel_size 0.5 × 0.5"
    assert widget._about.value == about
    path.write_text("task: segment\nmodel: m\nparameters: {treshold: 1}")
    widget.load_settings(path)
    assert widget.wait(10)
    assert "Did you mean “threshold”" in widget.status.value
    assert widget.settings == chosen_settings


def test_each_file_may_keep_its_own_pixel_size(filled, batch):
    assert seen(filled, filled.own_facts)
    filled.own_facts.value = True
    filled.run()
    assert filled.wait(10)
    assert batch.requests[0].settings.parameters == {"threshold": 0.4}
    filled.take_settings(BatchSettings("segment", "some/model", {"threshold": 0.4}))
    assert not seen(filled, filled.own_facts)


@pytest.mark.parametrize("title", ["Segment", "Stain"])
def test_without_a_result_no_settings_are_taken(make_batch_widget, make_widget, title):
    make_widget()
    widget = make_batch_widget()
    widget.take_from(title)
    assert widget.status.value.startswith(f"⚠ Open {title} and press Run there first")
    assert widget.settings is None


def test_settings_are_those_of_the_result_in_segment(make_batch_widget, make_widget, viewer, blobs):
    viewer.add_image(blobs, name="cells")
    segment = make_widget()
    segment.run()
    assert segment.wait(30)
    segment.threshold.value = 0.2
    assert segment.wait(30)
    widget = make_batch_widget()
    widget.take_from("Segment")
    assert widget.settings.task == "segment"
    assert widget.settings.model == "fake/model"
    assert widget.settings.parameters["threshold"] == 0.2
    assert widget._about.value.startswith("Segment: segment · model")


def test_the_sentence_on_a_file_stands_below_the_list(filled, batch):
    filled._file_list.selectRow(0)
    assert filled.detail.value.startswith("0 broken.tif: ✗ failed: “0 broken.tif” is a TIFF")
    batch.doubt = {1: "Too dark."}
    filled._file_list.selectRow(1)
    filled.run()
    assert filled.wait(10)
    filled._file_list.selectRow(1)
    assert filled.detail.value == "a.tif: ⚠ 1 object, doubtful. Too dark."
    filled.open_row(0)  # nothing to open
    assert not filled.busy


def test_a_result_that_is_gone_is_told(filled, viewer, images):
    filled.run()
    assert filled.wait(10)
    (images / "a.tif").unlink()
    filled.open_row(1)
    assert filled.wait(10)
    assert "There is no image file" in filled.detail.value
    assert not len(viewer.layers)


def test_a_closed_dock_stops_its_run(filled, batch, viewer, dock):
    batch.hold_at = 1
    filled.run()
    assert batch.held.wait(10)
    viewer.window.remove_dock_widget(filled.native)
    end = time.monotonic() + 5
    while filled._runs.busy and time.monotonic() < end:
        filled._runs.wait(0.05)
    assert not filled._runs.busy
    assert states(filled)[3] == "waiting"


def test_ten_thousand_files_are_listed_at_once(filled, images):
    from napari_cytosynth.widgets.batch.file_rows import FileRow

    item = filled.rows[1].item
    rows = [FileRow(item) for _ in range(10_000)]
    begun = time.perf_counter()
    filled._file_list.files.show(rows)
    QApplication.processEvents()
    for row in range(0, 10_000, 10):
        filled._file_list.files.update(row, "running")
    filled._file_list.files.stop()
    assert time.perf_counter() - begun < 2.0
    assert filled._file_list.files.counts()["waiting"] == 10_000


def test_errors_of_input_are_input_errors(filled):
    filled.inputs = []
    with pytest.raises(InputError):
        filled._chosen_inputs().request()
