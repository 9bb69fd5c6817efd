from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled
from napari_cytosynth.inference import cancelling
from napari_cytosynth.inference.cancelling import cancellable, wait_for


@pytest.fixture
def asked_always(monkeypatch):
    monkeypatch.setattr(cancelling, "INTERVAL", 0.0)


def test_a_run_is_cancelled_within_a_tile(asked_always, tiny_model):
    calls = []

    def progress(done, total, message):
        calls.append((done, total))
        if len(calls) > 40:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        cytosynth.segment(np.eye(64), tiny_model, precision="float32", progress=progress)
    assert max(done for done, _ in calls) == 0


def test_no_more_is_asked_than_a_few_times_a_second():
    calls = []
    with cancellable(lambda *_: calls.append(1)):
        for _ in range(100):
            torch.zeros(2) + 1
    assert not calls


def test_what_torch_wraps_is_cancelled_nevertheless(asked_always):
    layer, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

    def progress(*_):
        raise Cancelled("stop")

    with pytest.raises(Cancelled, match="stop"), cancellable(progress):
        layer.load_state_dict(other.state_dict())


def test_other_threads_and_other_errors_are_left_alone(asked_always):
    with pytest.raises(ZeroDivisionError), cancellable(lambda *_: None):
        1 / torch.zeros(0, dtype=torch.int).numel()
    start = time.monotonic()
    torch.zeros(3) + 1
    assert time.monotonic() - start < 5


def test_a_run_is_cancelled_while_a_library_is_imported():
    going_on, asked = threading.Event(), []

    def progress(done, total, message):
        asked.append(message)
        if len(asked) == 3:
            raise Cancelled("stop")

    try:
        with pytest.raises(Cancelled):
            wait_for(going_on.wait, progress, "Loading libraries")
    finally:
        going_on.set()
    assert asked == ["Loading libraries"] * 3


def test_what_fails_in_the_other_thread_is_raised_in_this_one():
    def work():
        raise ImportError("no such library")

    with pytest.raises(ImportError, match="no such library"):
        wait_for(work, lambda *_: None, "Loading libraries")
