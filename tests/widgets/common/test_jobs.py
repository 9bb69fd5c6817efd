"""Jobs: errors are values, cancelling works, stale results never arrive."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QWidget

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.jobs import POLL_MS, Job, JobRunner, stop_all


@pytest.fixture
def owner(qapp):
    return QWidget()


@pytest.fixture
def runner(owner):
    return JobRunner(owner)


def test_a_value_arrives_on_the_gui_thread(runner):
    seen = []
    runner.start(
        lambda progress: 42, lambda out: seen.append((out.value, threading.current_thread()))
    )
    assert runner.wait(10)
    assert seen == [(42, threading.main_thread())]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(InputError("Too small."), "Too small."), (RuntimeError("boom"), "RuntimeError: boom")],
)
def test_errors_are_values(runner, error, sentence):
    def work(progress):
        raise error

    seen = []
    runner.start(work, seen.append)
    assert runner.wait(10)
    assert sentence in seen[0].error
    assert seen[0].value is None


def test_a_warning_of_a_job_reaches_napari_and_stops_nothing(runner, viewer):
    def work(progress):
        warnings.warn("an odd pixel", UserWarning, stacklevel=1)
        return 42

    seen = []
    with warnings.catch_warnings(), notification_manager:
        warnings.simplefilter("always")
        runner.start(work, lambda out: seen.append(out.value))
        assert runner.wait(10)
    assert seen == [42]
    assert "an odd pixel" in [record.message for record in notification_manager.records]


def test_cancel_stops_at_the_next_report(runner):
    inside, gate, seen = threading.Event(), threading.Event(), []

    def work(progress):
        inside.set()
        gate.wait(10)
        progress(1, 2, "tile")
        return "never"

    runner.start(work, seen.append)
    assert inside.wait(10)
    runner.cancel()
    gate.set()
    assert runner.wait(10)
    assert seen[0].stopped


def test_a_newer_job_replaces_an_older_one_and_waits_for_its_thread(runner):
    gate, order, seen = threading.Event(), [], []

    def slow(progress):
        gate.wait(10)
        order.append("slow")
        return "stale"

    def quick(progress):
        order.append("quick")
        return "fresh"

    runner.start(slow, lambda out: seen.append(out.value))
    runner.start(quick, lambda out: seen.append(out.value))
    gate.set()
    assert runner.wait(10)
    assert seen == ["fresh"]
    assert order in (["slow", "quick"], ["quick"])


def test_progress_is_shown_at_most_twenty_times_a_second(runner):
    ticks = []

    def work(progress):
        for i in range(100_000):
            progress(i, 100_000, "pixels")

    runner.start(work, lambda out: None, ticks.append)
    assert runner.wait(20)
    assert POLL_MS >= 50
    assert len(ticks) < 1000


def test_a_destroyed_widget_cancels_its_job_and_hears_nothing(runner, owner, qtbot):
    inside, gate, seen = threading.Event(), threading.Event(), []

    def work(progress):
        inside.set()
        gate.wait(10)
        progress(0, 0, "")

    runner.start(work, seen.append)
    assert inside.wait(10)
    gone: list[bool] = []
    owner.destroyed.connect(lambda *_: gone.append(True))
    owner.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    gate.set()
    assert not runner.busy
    assert seen == []


def test_a_finished_job_keeps_no_arrays(runner):
    array = np.zeros(1000)
    ghost = weakref.ref(array)

    def work(progress, array=array):
        local = array + 1
        raise ValueError(local.sum())

    runner.start(work, lambda out: None)
    del array, work
    assert runner.wait(10)
    assert ghost() is None


def test_a_widget_that_is_garbage_collected_takes_its_job_along(qapp):
    inside, stopped = threading.Event(), threading.Event()

    def work(progress):
        inside.set()
        try:
            while True:
                progress(0, 1, "")
        except Exception:
            stopped.set()
            raise

    owner = QWidget()
    owner.runner = JobRunner(owner)
    owner.runner.owner = owner  # a cycle, as between a dock widget and its parts
    owner.runner.start(work, lambda outcome: None)
    assert inside.wait(10)
    del owner
    gc.collect()
    assert stopped.wait(10)


def test_the_end_of_the_program_stops_jobs_and_waits_for_none_that_hangs():
    stopped, release = threading.Event(), threading.Event()

    def obedient(progress):
        try:
            while True:
                progress(0, 1, "")
                time.sleep(0.001)
        finally:
            stopped.set()

    jobs = [Job(obedient), Job(lambda progress: release.wait(60))]
    for job in jobs:
        job.start()
        assert job._thread.daemon
    stop_all(timeout=0.2)
    assert stopped.is_set()
    assert not jobs[1].join(0)
    release.set()
    assert jobs[1].join(10)


def test_at_the_end_a_library_that_is_being_loaded_is_waited_for(tmp_path, monkeypatch):
    """Ending within the import of torch aborted the process."""
    inside, gate = threading.Event(), threading.Event()
    slow = tmp_path / "slow_module.py"
    slow.write_text("import sys\nsys.module_loads()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "module_loads", lambda: (inside.set(), gate.wait(10)), raising=False)
    job = Job(lambda progress: importlib.import_module(slow.stem))
    job.start()
    assert inside.wait(10)
    end = threading.Thread(target=stop_all, args=(0,))
    end.start()
    end.join(0.3)
    assert end.is_alive()
    gate.set()
    end.join(10)
    assert not end.is_alive()
    assert job.join(0)


COLLECTED_FIRST = """
import gc
from magicgui.widgets import ComboBox, Container
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.stain.shown.removal import LayerRemover

app = QApplication([])
gc.disable()


class Form(Container):
    def __init__(self):
        super().__init__()
        self.choice = ComboBox(choices=["a"])
        self.append(self.choice)
        self.of_form, self.of_choice = JobRunner(self.native), JobRunner(self.choice.native)
        self.remover = LayerRemover(None, self.native)


Form().native.deleteLater()
assert gc.collect() > 0
loop = QEventLoop()
QTimer.singleShot(20, loop.quit)
loop.exec()
"""


def test_a_form_that_python_collects_before_qt_deletes_it_crashes_nothing():
    # in a process of its own: the failure is a segmentation fault
    ended = subprocess.run([sys.executable, "-c", COLLECTED_FIRST], capture_output=True, timeout=60)
    assert ended.returncode == 0, ended.stderr.decode()
