"""Several processes: the same results as one, and none of them is left behind."""

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

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, CytosynthError

# each process imports torch anew
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _children():
    return [p for p in psutil.Process().children(recursive=True) if "spawn_main" in _line(p)]


def _line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_two_processes_do_the_same_as_one(folder, saved_model, tmp_path, contents) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = cytosynth.batch(folder, one, model=saved_model)
    second = cytosynth.batch(folder, two, model=saved_model, jobs=2)
    assert [o.state for o in first.outcomes] == [o.state for o in second.outcomes]
    expected, found = contents(one), contents(two)
    assert expected.keys() == found.keys()
    for name in expected:
        if name.endswith(".csv"):
            assert expected[name] == found[name], name
        else:
            np.testing.assert_array_equal(tifffile.imread(two / name), tifffile.imread(one / name))
    assert not _children()


def test_a_run_of_two_processes_can_be_stopped_and_resumed(folder, saved_model, tmp_path) -> None:
    def stop(done, total, message):
        if done >= 2 and "looking" not in message:
            raise Cancelled("enough")

    options = {"model": saved_model, "jobs": 2, "resume": True}
    with pytest.raises(Cancelled):
        cytosynth.batch(folder, tmp_path / "out", progress=stop, **options)
    assert not _children()
    assert not list((tmp_path / "out").glob(".*"))
    states = [o.state for o in cytosynth.batch(folder, tmp_path / "out", **options).outcomes]
    assert states.count("skipped") >= 1
    assert states.count("failed") == 1


def test_a_process_that_is_killed_fails_its_image_alone(folder, saved_model, tmp_path) -> None:
    killed = []

    def kill(done, total, message):
        if not killed and "/" in message:
            victim = _children()[0]
            killed.append(victim.pid)
            victim.kill()

    result = cytosynth.batch(folder, tmp_path / "out", model=saved_model, jobs=2, progress=kill)
    assert killed
    states = [outcome.state for outcome in result.outcomes]
    assert states.count("failed") in (1, 2)  # it may just have been done with its image
    said = [outcome.sentence for outcome in result.failures]
    assert states.count("failed") == 1 or any("ended without a word" in text for text in said)
    assert not _children()


def test_a_process_that_is_killed_while_it_loads_is_replaced(folder, saved_model, tmp_path) -> None:
    """Another one works already: it is no script without a guard."""
    killed = []

    def kill(done, total, message):
        if not killed and "/" in message:
            victim = _children()[-1]  # started anew below, and killed before it has loaded
            victim.kill()
            victim.wait(10)
            killed.append(victim.pid)
        elif len(killed) == 1 and (new := [p for p in _children() if p.pid != killed[0]][1:]):
            new[-1].kill()
            killed.append(new[-1].pid)

    result = cytosynth.batch(folder, tmp_path / "out", model=saved_model, jobs=2, progress=kill)
    assert len(killed) == 2
    assert [o.state for o in result.outcomes].count("failed") in (1, 2, 3)
    assert not _children()


SCRIPT = """
import sys
import napari_cytosynth as cytosynth
{guard}
    cytosynth.batch(sys.argv[1], sys.argv[2], model=sys.argv[3], jobs=2)
"""


def _script(tmp_path, guard, *arguments):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(guard=guard))
    return subprocess.Popen(
        [sys.executable, str(path), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_script_without_a_guard_is_told_what_to_do(folder, saved_model, tmp_path) -> None:
    script = _script(tmp_path, "if True:", folder, tmp_path / "out", saved_model)
    _, error = script.communicate(timeout=240)
    assert "if __name__ == '__main__':" in error.rpartition("CytosynthError")[2]
    assert script.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_a_script_leaves_no_process(number, folder, saved_model, tmp_path) -> None:
    out = tmp_path / "out"
    guard = 'if __name__ == "__main__":'
    script = _script(tmp_path, guard, folder, out, saved_model)
    whole = psutil.Process(script.pid)
    end = time.monotonic() + 200
    while not list(out.glob("*-provenance.json")) and time.monotonic() < end:
        time.sleep(0.05)
    children = whole.children(recursive=True)
    assert children
    if number == signal.SIGINT:
        os.killpg(script.pid, number)  # as a terminal does
    else:
        os.kill(script.pid, number)
    script.communicate(timeout=100)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_model_that_cannot_be_loaded_is_told_once(folder, tmp_path) -> None:
    with pytest.raises(CytosynthError, match="nowhere"):
        cytosynth.batch(folder, tmp_path / "out", model=tmp_path / "nowhere", jobs=2)
    assert not _children()
