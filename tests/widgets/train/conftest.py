"""A tiny model to start from, a painted image, and stand-ins for the process that trains."""

from __future__ import annotations

import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.training.teach.process.child import tune
from napari_cytosynth.training.teach.process.messages import Learned, Previewed, Scored, Tuned
from napari_cytosynth.zoo.fit import without_triton
from napari_cytosynth.zoo.model_files import read_card, save_model


class FakeTuning:
    """Trains at once by copying the start model; can be held in the middle, or fail."""

    def __init__(self):
        self.requests = []
        self.best_epoch, self.before, self.after = 2, {"score": 0.4}, {"score": 0.6}
        self.gate, self.held = threading.Event(), threading.Event()
        self.gate.set()
        self.enough = None
        self.error = None

    def __call__(self, request, on_event, progress, enough):
        assert threading.current_thread() is not threading.main_thread()
        self.requests.append(request)
        self.enough = enough
        on_event(Scored(0, {"score": 0.4}))
        on_event(Learned(10, 0.5))
        on_event(Scored(30, {"score": 0.6}))
        if request.window is not None:
            on_event(Previewed(np.full(request.window.shape, 200, np.uint8)))
        for _ in range(2000):
            progress(30, 120, "training")
            if self.gate.is_set() or enough.is_set():
                break
            self._write(request.out, "last.ckpt")
            self.held.set()
            self.gate.wait(0.01)
        else:
            raise AssertionError("the test held the training for too long")
        if self.error is not None:
            raise self.error
        model = request.out / request.out.name
        if not model.exists():
            shutil.copytree(request.model, model)
        self._write(request.out, "validation.json")
        task = read_card(model).inference.task
        return Tuned(model, self.best_epoch, self.before, self.after, task=task)

    def _write(self, out, name):
        images = out / "data" / "image"
        for plane in () if images.exists() else self.requests[0].planes[:1]:
            images.mkdir(parents=True)
            tifffile.imwrite(images / "1.tif", plane.image, photometric="minisblack")
        for each in ("recipe.yaml", name):
            (out / each).write_text("{}")


def tune_here(request, on_event, progress, enough):
    """Train in this process, as the other one does."""
    sent = []

    def send(event):
        sent.append(event)
        if not isinstance(event, Tuned):
            on_event(event)

    with without_triton():  # beside a window, unlike the other process
        tune(request, SimpleNamespace(send=send, progress=progress, enough=enough))
    return sent[-1]


@pytest.fixture
def tuning(tmp_path):
    fake = FakeTuning()
    fake.folder = tmp_path
    yield fake
    fake.gate.set()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's folder of data, of the test's own."""
    place = tmp_path / "home"
    monkeypatch.setenv("CYTOSYNTH_HOME", str(place))
    return place


@pytest.fixture
def start(make_model, tmp_path):
    """Folder of a network that has learned nothing yet."""
    from napari_cytosynth.models import build_network

    about = {"output_channels": ["foreground"], "splitting": None, "example_size": (32, 32)}
    card = make_model(**about).card
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(card.architecture, card.arguments).eval()
    return save_model(tmp_path / "start", network, card)


@pytest.fixture
def painted():
    """An image and sparse labels: a stroke in each of its nuclei, and background around."""
    phantom = fluorescent_nuclei((96, 112), count=14, seed=1)
    strokes = np.zeros((96, 112), np.int32)
    strokes[::8] = np.where(phantom.labels[::8] > 0, phantom.labels[::8] + 1, 1)
    strokes[:, ::7][strokes[:, ::7] == 1] = 0
    return phantom.image, strokes


@pytest.fixture
def make_train_widget(viewer, dock, tuning, start):
    from napari_cytosynth.widgets.train import TrainWidget

    def make(tune=None):
        widget = TrainWidget(viewer, tune or tuning)
        dock(widget, "Train")
        widget.model.value = start
        return widget

    return make


@pytest.fixture
def filled(viewer, make_train_widget, painted):
    """A widget in which everything is chosen."""
    image, strokes = painted
    viewer.add_image(image, name="cells", scale=(0.5, 0.5))
    viewer.add_labels(strokes, name="strokes", scale=(0.5, 0.5))
    return make_train_widget()
