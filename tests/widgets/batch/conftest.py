"""Images in a folder, and a stand-in for the process that does them."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.batch.plan import make_plan
from napari_cytosynth.tasks.batch.process.messages import Ended, ItemFinished, Planned, Started
from napari_cytosynth.tasks.batch.records import BatchOutcome
from napari_cytosynth.tasks.batch.settings import BatchSettings


class FakeBatch:
    """Does each image at once; can be held before one, or fail. Its results are counts."""

    def __init__(self):
        self.requests = []
        self.hold_at = None
        self.gate = threading.Event()
        self.held = threading.Event()
        self.error = None
        self.doubt = {}
        self.done = set()

    def __call__(self, request, on_event, progress):
        self.requests.append(request)
        assert threading.current_thread() is not threading.main_thread()
        if self.error is not None:
            raise self.error
        plan = make_plan(
            request.inputs, request.out, request.settings.task, recursive=request.recursive,
            name_pattern=request.name_pattern, progress=silent,
        )  # fmt: skip
        on_event(Planned(plan))
        for row, item in enumerate(plan.items):
            progress(row, len(plan.items), f"{item.title}: Running the network 1/2")
            on_event(Started(row))
            self._hold(row, len(plan.items), progress)
            on_event(ItemFinished(row, self._outcome(row, item, request)))
        return Ended((plan.out / "batch-files.csv", plan.out / "batch-report.html"), ("Note.",))

    def _hold(self, row, total, progress):
        for _ in range(2000):
            progress(row, total, "held")
            if row != self.hold_at or self.gate.is_set():
                return
            self.held.set()
            self.gate.wait(0.01)
        raise AssertionError("the test held the batch for too long")

    def _outcome(self, row, item, request):
        if item.problem:
            return BatchOutcome(item, "failed", item.problem)
        state = "skipped" if request.resume and item.title in self.done else "done"
        self.done.add(item.title)
        return BatchOutcome(item, state, count=row, doubt=self.doubt.get(row, ""))


@pytest.fixture
def batch():
    fake = FakeBatch()
    yield fake
    fake.gate.set()


@pytest.fixture
def images(tmp_path):
    """Folder of a broken file and three images."""
    place = tmp_path / "images"
    place.mkdir()
    for name in "abc":
        tifffile.imwrite(place / f"{name}.tif", np.eye(16, dtype=np.uint8))
    (place / "0 broken.tif").write_bytes(b"II*\0 and then nothing")
    return place


@pytest.fixture
def chosen_settings():
    return BatchSettings("segment", "some/model", {"threshold": 0.4, "pixel_size": [0.5, 0.5]})


@pytest.fixture
def make_batch_widget(viewer, dock, batch):
    """Return a function that docks a Batch widget with the stand-in."""
    from napari_cytosynth.widgets.batch.widget import BatchWidget

    def make(run=batch):
        widget = BatchWidget(viewer, run)
        dock(widget, "Batch")
        return widget

    return make


@pytest.fixture
def filled(make_batch_widget, chosen_settings, images, tmp_path):
    """A Batch widget with settings, images and a folder for the results."""
    widget = make_batch_widget()
    widget.take_settings(chosen_settings, "Segment")
    widget.inputs = [images]
    widget.out.value = str(tmp_path / "out")
    assert widget.wait(30)
    return widget


@pytest.fixture
def bad_input():
    return InputError(
        "“x” is in the way. To replace it, use --overwrite, or overwrite=True in Python."
    )
