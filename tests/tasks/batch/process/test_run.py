"""A batch in another process: the same results, stopped within a second, none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.tasks.batch.process.messages import (
    BatchRequest,
    ItemFinished,
    Planned,
    Started,
)
from napari_cytosynth.tasks.batch.process.run import run_in_process
from napari_cytosynth.tasks.batch.settings import BatchSettings

# each process imports torch anew
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


MANY = 24


def quiet(done, total, text):
    pass


@pytest.fixture
def request_of(folder, saved_model, tmp_path):
    def make(inputs=None, model=saved_model, **more):
        settings = BatchSettings("segment", str(model), {"threshold": 0.4})
        names = (str(folder if inputs is None else inputs),)
        return BatchRequest(settings, names, str(tmp_path / "out"), **more)

    return make


@pytest.fixture
def many(tmp_path, picture):
    """Folder of images that take a while."""
    place = tmp_path / "many"
    place.mkdir()
    for number in range(MANY):
        tifffile.imwrite(place / f"{number:02d}.tif", picture(number, (200, 200)))
    return place


def test_it_does_what_one_process_does_and_tells_each_step(
    request_of, folder, saved_model, tmp_path, contents
) -> None:
    events, ticks = [], []
    ended = run_in_process(request_of(), events.append, lambda *tick: ticks.append(tick))
    here = cytosynth.batch(folder, tmp_path / "here", model=saved_model, threshold=0.4)
    assert [path.name for path in ended.files] == [path.name for path in here.files]
    expected, found = contents(tmp_path / "here"), contents(tmp_path / "out")
    assert expected.keys() == found.keys()
    for name in expected:
        if name.endswith(".csv"):
            assert expected[name] == found[name], name
        else:
            there = tifffile.imread(tmp_path / "out" / name)
            np.testing.assert_array_equal(there, tifffile.imread(tmp_path / "here" / name))
    assert isinstance(events[0], Planned)
    assert [item.title for item in events[0].plan.items] == [o.item.title for o in here.outcomes]
    finished = {e.row: e.outcome for e in events if isinstance(e, ItemFinished)}
    assert [finished[row].state for row in sorted(finished)] == [o.state for o in here.outcomes]
    assert [finished[row].count for row in sorted(finished)] == [o.count for o in here.outcomes]
    assert not any(outcome.thumbnail for outcome in finished.values())
    started = [event.row for event in events if isinstance(event, Started)]
    assert started == sorted(finished)
    for row in started:  # each begins before it ends
        whole = [getattr(event, "row", None) for event in events]
        assert whole.count(row) == 2
    assert {total for _, total, _ in ticks} >= {0, len(finished)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_stops_within_a_second_and_goes_on_with_the_rest(request_of, many, jobs, tmp_path):
    events, stopped = [], []
    others = psutil.Process().children(recursive=True)  # of tests before this one

    def stop(done, total, text):
        finished = [event for event in events if isinstance(event, ItemFinished)]
        if len(finished) >= 2:
            now = psutil.Process().children(recursive=True)
            stopped.append((time.monotonic(), [one for one in now if one not in others]))
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run_in_process(request_of(many, jobs=jobs), events.append, stop)
    ((begun, children),) = stopped
    assert time.monotonic() - begun < 1.5  # a second, on a busy machine
    assert children
    assert not psutil.wait_procs(children, timeout=10)[1]
    done = len(list((tmp_path / "out").glob("*-provenance.json")))
    assert 2 <= done < MANY
    again = []
    run_in_process(request_of(many), again.append, quiet)
    states = [event.outcome.state for event in again if isinstance(event, ItemFinished)]
    assert states.count("skipped") == done
    assert states.count("done") == MANY - done
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".napari")]


def test_it_stops_before_the_process_has_begun(request_of):
    begun = time.monotonic()

    def stop(done, total, text):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run_in_process(request_of(), lambda event: None, stop)
    assert time.monotonic() - begun < 1.5


def test_errors_are_sentences(request_of, tmp_path):
    with pytest.raises(CytosynthError, match="nowhere"):
        run_in_process(request_of(model=tmp_path / "nowhere"), lambda event: None, quiet)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CytosynthError, match="holds no image file"):
        run_in_process(request_of(tmp_path / "empty"), lambda event: None, quiet)


def test_a_process_that_is_killed_is_told(request_of, many):
    def kill(event):
        if isinstance(event, ItemFinished):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):  # one that has just ended
                    if "process.child" in " ".join(child.cmdline()):
                        child.kill()

    with pytest.raises(CytosynthError, match="ended without a word"):
        run_in_process(request_of(many), kill, quiet)


SCRIPT = """
import sys
from napari_cytosynth.tasks.batch.process.messages import BatchRequest
from napari_cytosynth.tasks.batch.process.run import run_in_process
from napari_cytosynth.tasks.batch.settings import BatchSettings

settings = BatchSettings("segment", sys.argv[3])
request = BatchRequest(settings, (sys.argv[1],), sys.argv[2], jobs=int(sys.argv[4]))
run_in_process(request, lambda event: print(event, flush=True), lambda *_: None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_outlives_a_first_process_that_is_killed(jobs, many, saved_model, tmp_path):
    line = [sys.executable, "-c", SCRIPT, str(many), str(tmp_path / "out"), str(saved_model)]
    first = subprocess.Popen([*line, str(jobs)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    while "ItemFinished(" not in first.stdout.readline():
        assert first.poll() is None
    children = psutil.Process(first.pid).children(recursive=True)
    assert len(children) >= jobs
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    assert not psutil.wait_procs(children, timeout=20)[1]
