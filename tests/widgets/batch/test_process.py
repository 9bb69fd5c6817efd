"""The Batch widget with its real process: results, a window that goes on, and what closing does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tifffile
from qtpy.QtCore import QTimer

import napari_cytosynth as cytosynth
from napari_cytosynth.tasks.batch.settings import BatchSettings
from napari_cytosynth.zoo.model_files import save_model

# each process imports torch anew
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def saved(tiny_model, tmp_path):
    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


@pytest.fixture
def many(tmp_path):
    """Folder of images that take a while."""
    place = tmp_path / "many"
    place.mkdir()
    for number in range(60):
        data = np.random.default_rng(number).random((300, 300)).astype(np.float32)
        tifffile.imwrite(place / f"{number:02d}.tif", data)
    return place


def children():
    found = psutil.Process().children(recursive=True)
    return [one for one in found if "process.child" in " ".join(one.cmdline())]


def test_results_open_with_a_click_and_equal_those_of_the_library(
    make_batch_widget, images, saved, tmp_path, viewer, qtbot
):
    widget = make_batch_widget(None)
    widget.take_settings(BatchSettings("segment", str(saved), {"threshold": 0.4}))
    widget.inputs = [images]
    widget.out.value = str(tmp_path / "out")
    widget.run()
    assert widget.wait(120)
    assert [row.state for row in widget.rows] == ["failed", "done", "done", "done"]
    assert not children()
    index = widget._file_list.files.index(1, 0)
    widget._file_list.clicked.emit(index)
    assert widget.wait(30)
    image, probability, labels = viewer.layers
    found = cytosynth.segment(image.data, saved, threshold=0.4)
    np.testing.assert_array_equal(labels.data, found.labels)
    np.testing.assert_allclose(probability.data, found.probability, atol=1e-6)
    assert len(labels.features) == widget.rows[1].outcome.count


def test_the_window_goes_on_during_a_run_that_stops_within_a_second(
    make_batch_widget, many, saved, tmp_path, qtbot
):
    widget = make_batch_widget(None)
    gaps, last = [], [time.monotonic()]

    def tick():
        now = time.monotonic()
        gaps.append(now - last[0])
        last[0] = now

    timer = QTimer(widget.native)
    timer.timeout.connect(tick)
    timer.start(10)
    widget.take_settings(BatchSettings("segment", str(saved)))
    widget.inputs = [many]
    widget.out.value = str(tmp_path / "out")
    last[0] = time.monotonic()
    widget.run()
    done = lambda: sum(row.state == "done" for row in widget.rows)  # noqa: E731
    qtbot.waitUntil(lambda: done() >= 3, timeout=60_000)
    (child,) = children()
    begun = time.monotonic()
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.busy, timeout=5000)
    assert time.monotonic() - begun < 1.5  # a second, on a busy machine
    assert not child.is_running()
    assert done() < 60
    assert not [row for row in widget.rows if row.state == "running"]
    assert widget._button.text == "Resume"
    assert max(gaps) < 1.0
    timer.stop()


NAPARI = """
import sys
import napari
from napari_cytosynth.tasks.batch.settings import BatchSettings
from qtpy.QtCore import QTimer

viewer = napari.Viewer(show=True)
_, widget = viewer.window.add_plugin_dock_widget("napari-cytosynth", "Batch")
widget.take_settings(BatchSettings("segment", sys.argv[3]))
widget.inputs = [sys.argv[1]]
widget.out.value = sys.argv[2]
widget.run()

def look():
    if any(row.state == "done" for row in widget.rows):
        print("running", flush=True)
        timer.stop()
        if sys.argv[4] == "close":
            viewer.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
napari.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["close", "kill"])
def test_closing_napari_leaves_no_process(many, saved, tmp_path, how):
    line = [sys.executable, "-W", "ignore", "-c", NAPARI]
    first = subprocess.Popen(
        [*line, str(many), str(tmp_path / "out"), str(saved), how],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    whole = psutil.Process(first.pid)
    known = set()
    while "running" not in first.stdout.readline():
        assert first.poll() is None
    known = set(whole.children(recursive=True)) if first.poll() is None else known
    if how == "kill":
        assert known
        os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    assert not psutil.wait_procs(list(known), timeout=20)[1]
    left = [
        p
        for p in psutil.process_iter(["cmdline", "ppid"])
        if "process.child" in " ".join(p.info["cmdline"] or [])
    ]
    assert not [p for p in left if p.info["ppid"] in (1, first.pid)]
    assert first.returncode == (-signal.SIGKILL if how == "kill" else 0)
    assert 0 < len(list((tmp_path / "out").glob("*-provenance.json"))) < 60
