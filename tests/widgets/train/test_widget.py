"""The Train widget with a stand-in for its process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from qtpy.QtWidgets import QMessageBox

from napari_cytosynth.errors import CytosynthError, RecipeError
from napari_cytosynth.training.teach.process.messages import Tuned
from napari_cytosynth.widgets.train import form
from napari_cytosynth.widgets.train import widget as module
from napari_cytosynth.widgets.train.job import _BY_COMMAND, TrainResult
from napari_cytosynth.widgets.train.result.wording import describe
from napari_cytosynth.widgets.train.running import time_left

BUTTONS = QMessageBox.StandardButton


@pytest.fixture
def running(filled, tuning):
    """A widget in the middle of a training."""
    tuning.gate.clear()
    filled.run()
    assert tuning.held.wait(20)
    return filled


def enabled(widget):
    """Text of the buttons that can be pressed."""
    buttons = (widget._run_button, widget._pause, widget._stop, widget._cancel, widget._keep)
    return [button.text for button in buttons if button.enabled]


@pytest.mark.binding
def test_layers_may_change_during_a_run(viewer, running, tuning, painted, qtbot):
    image, strokes = painted
    before = strokes.copy()
    qtbot.waitUntil(lambda: "found now – cells" in viewer.layers, timeout=10_000)
    now = viewer.layers["found now – cells"]
    assert now.data.shape == image.shape
    np.testing.assert_array_equal(now.scale, (0.5, 0.5))
    viewer.layers["strokes"].data[:] = 0
    viewer.layers["strokes"].name, viewer.layers["cells"].name = "other", "another"
    viewer.layers.clear()
    tuning.gate.set()
    assert running.wait(20)
    assert "0.400 → 0.600" in running.status.value
    (plane,) = tuning.requests[0].planes
    np.testing.assert_array_equal(plane.image, image)
    np.testing.assert_array_equal(plane.objects > 0, before > 1)
    assert [one.name for one in viewer.layers] == [
        "cells · before", "before – cells", "cells · after", "after – cells",
    ]  # fmt: skip
    left, right = viewer.layers[1], viewer.layers[3]
    np.testing.assert_array_equal(left.scale, (0.5, 0.5))
    assert right.translate[-1] > 0.5 * image.shape[1]
    assert enabled(running) == ["Train", "Discard", "Keep"]
    running._cancel.native.click()
    assert len(viewer.layers) == 0
    assert not tuning.requests[0].out.exists()
    assert enabled(running) == ["Train"]


def test_closing_napari_asks_and_the_next_session_goes_on(
    running, tuning, make_train_widget, monkeypatch
):
    answers, asked = [BUTTONS.Close, BUTTONS.Cancel], []

    def warning(_parent, title, *_):
        asked.append(title)
        return answers.pop()

    monkeypatch.setattr(module.QMessageBox, "warning", warning)
    assert [running._may_close() for _ in range(2)] == [False, True]
    assert asked == ["A training is under way"] * 2
    running.run()
    assert "A training is under way" in running.status.value
    running._pause.native.click()
    assert running.wait(20)
    assert running.status.value.startswith("Paused")
    assert enabled(running) == ["Train", "Resume", "Discard"]
    assert running._may_close()
    later = make_train_widget()
    assert later.waiting == running.waiting == "tiny-tuned"
    assert "“tiny-tuned” is paused" in later.status.value
    tuning.gate.set()
    later.resume()
    assert later.wait(20)
    first, second = tuning.requests
    assert (second.out, second.model) == (first.out, first.model)
    assert later.result.after is not None


def test_what_brings_nothing_leaves_nothing(running, tuning, home):
    running._cancel.native.click()
    assert running.wait(20)
    assert "nothing is kept" in running.status.value
    with FileLock(home / "training" / ".lock"):
        running.run()
        assert running.wait(20)
    assert "Another training is under way on this machine" in running.status.value
    tuning.gate.set()
    tuning.error = CytosynthError("“mine” cannot be written: there is no space left.")
    running.run()
    assert running.wait(20)
    assert "no space left" in running.status.value
    tuning.error = RecipeError(f"The training has diverged: … {_BY_COMMAND}")
    running.run()
    assert running.wait(20)
    assert "diverged" in running.status.value
    assert "--check" not in running.status.value
    assert "Look for broken pixels in the images" in running.status.value
    assert len(tuning.requests) == 3
    for request in tuning.requests:
        assert not request.out.exists()
    assert enabled(running) == ["Train"]
    assert running.minutes.enabled


def test_a_process_that_ended_goes_on_and_stop_keeps_the_best(running, tuning, qtbot):
    tuning.error = CytosynthError("The process that trained ended without a word.")
    tuning.gate.set()
    assert running.wait(20)
    assert running.status.value == "⚠ The process that trained ended without a word."
    assert enabled(running) == ["Train", "Resume", "Discard"]
    tuning.error = None
    tuning.gate.clear()
    running._pause.native.click()
    qtbot.waitUntil(lambda: running._stop.enabled and bool(running.curves.losses), timeout=10_000)
    assert running.curves.text == "loss 0.5, score 0.600 (began with 0.400)"
    running._stop.native.click()
    assert running.wait(20)
    assert tuning.enough.is_set()
    assert enabled(running) == ["Train", "Discard", "Keep"]


def test_what_is_no_better_cannot_be_kept(viewer, filled, tuning):
    tuning.best_epoch, tuning.after = -1, tuning.before
    filled.run()
    assert filled.wait(20)
    assert "there is nothing to keep" in filled.status.value
    assert enabled(filled) == ["Train"]
    assert filled.keep() is None
    assert not tuning.requests[0].out.exists()
    assert len(viewer.layers) == 2  # nothing to compare


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, "Not validated: too few objects"),
        ({"score": 0.6, "loss": 2.0}, {"score": 0.5, "loss": 1.0}, "⚠ The score got worse"),
    ],
)
def test_a_doubtful_result_is_told(before, after, said):
    assert said in describe(TrainResult(None, Tuned(Path("model"), 2, before, after)))


def test_what_is_missing_is_told_before_anything_begins(
    viewer, make_train_widget, tuning, monkeypatch
):
    line = 'pip install "napari-cytosynth[train]"'
    with monkeypatch.context() as broken:
        broken.setattr(form, "find_spec", lambda name: None)
        widget = make_train_widget()
        assert line in widget.status.value
        widget.status.value = ""
        widget.run()
        assert line in widget.status.value
    widget.run()
    assert "Choose an image, and the labels layer" in widget.status.value
    widget.paint()
    assert "Open an image" in widget.status.value
    viewer.add_image(np.zeros((64, 64), np.float32))
    labels = viewer.add_labels(np.zeros((64, 64), np.uint8))
    widget.reset_choices()
    widget.pairs.value = [(viewer.layers[0], labels)]
    widget.run()
    assert widget.wait(20)
    assert "⚠ Nothing is annotated" in widget.status.value
    widget.kind.value = form.FOLDER
    widget.run()
    assert "Choose the folder" in widget.status.value
    assert not tuning.requests


def test_time_left_follows_the_latest_speed():
    assert time_left([(0.0, 0), (10.0, 30)], 120) == "About 30 s left."
    assert time_left([(0.0, 0), (10.0, 1)], 121) == "About 20 min left."
    assert time_left([(0.0, 5), (10.0, 5)], 120) == ""
