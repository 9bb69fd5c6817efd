"""A fine-tuning in another process: killed, refused beside another, gone on with, ended early."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import psutil
import pytest
from filelock import FileLock

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import CytosynthError, RecipeError
from napari_cytosynth.training.teach.process.child import tune
from napari_cytosynth.training.teach.process.messages import (
    Learned,
    Previewed,
    Scored,
    TuningRequest,
)
from napari_cytosynth.training.teach.process.run import tune_in_process
from napari_cytosynth.training.teach.segment.pairs import read_pairs

# each process imports torch anew
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def quiet(done, total, text):
    pass


@pytest.fixture
def request_of(beginner, painted, tmp_path):
    planes = tuple(read_pairs([painted], sparse=True))
    lock = tmp_path / "training" / ".lock"
    return TuningRequest(
        str(beginner), lock.with_name("mine"), lock, planes, steps=3000, window=painted[0]
    )


def test_a_killed_training_goes_on_and_ends_early_with_its_best(request_of):
    events, enough = [], threading.Event()

    def kill(event):
        events.append(event)
        if isinstance(event, Scored) and event.step >= 60:  # the epoch before is kept
            for child in psutil.Process().children():
                if "teach.process.child" in " ".join(child.cmdline()):
                    child.kill()

    with pytest.raises(CytosynthError, match=r"ended without a word.*Resume"):
        tune_in_process(request_of, kill, quiet)
    assert {type(event) for event in events} == {Learned, Scored, Previewed}
    (window, *_), (start, *_) = (
        [event for event in events if isinstance(event, kind)] for kind in (Previewed, Scored)
    )
    assert window.probability.shape == request_of.window.shape
    assert start.step == 0
    again = []

    def stop(event):
        again.extend([] if isinstance(event, Previewed) else [event])
        enough.set()

    tuned = tune_in_process(request_of, stop, quiet, enough)
    assert min(event.step for event in again) > 0
    assert max(event.step for event in again) < 3000
    assert tuned.before == pytest.approx(start.scores)  # still those of the start model
    assert tuned.model == request_of.out / "mine"
    assert cytosynth.load_model(tuned.model).card.name == "mine"


def test_a_second_training_is_refused(request_of):
    request_of.lock.parent.mkdir()
    with FileLock(request_of.lock), pytest.raises(RecipeError, match="Another training"):
        tune(request_of, SimpleNamespace(send=None, progress=quiet))
    assert not request_of.out.exists()
