"""A Dask cluster of two processes: the same results as one, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from glob import glob

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, CytosynthError, InputError
from napari_cytosynth.images.ome_zarr import zarr_images
from napari_cytosynth.tasks.batch.cluster import client as client_module
from napari_cytosynth.tasks.batch.cluster import connection

distributed = pytest.importorskip("distributed")

# each worker imports torch anew
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one thread each, in processes that are started again when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made


@pytest.fixture
def dask(cluster):
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as found:
        yield found


@pytest.fixture
def many(tmp_path, picture):
    place = tmp_path / "in"
    place.mkdir()
    for number in range(8):
        tifffile.imwrite(place / f"{number}.tif", picture(number))
    (place / "broken.tif").write_bytes(b"II*\0 and then nothing")
    return place


def _hidden(place):
    return [path.name for path in place.rglob(".*")]


@pytest.fixture
def kill(dask):
    """Return a progress that kills a worker that is at work once something is done, and whom."""
    killed = []

    def progress(done, total, message):
        busy = [w for w, keys in dask.processing().items() if any("cytosynth" in k for k in keys)]
        if 1 <= done < total and busy and not killed:
            killed.extend(dask.run(os.getpid, workers=busy[:1]).values())
            os.kill(killed[0], signal.SIGKILL)

    yield progress
    assert killed


def _told(result):
    return [(o.item.title, o.state, o.sentence, o.count) for o in result.outcomes]


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    cluster, kill, many, saved_model, tmp_path, contents
) -> None:
    one, two, seen = tmp_path / "one", tmp_path / "two", []
    options = {"model": saved_model, "scheduler": cluster.scheduler_address}
    first = cytosynth.batch(many, one, model=saved_model)
    second = cytosynth.batch(many, two, progress=kill, on_outcome=seen.append, **options)
    assert _told(first) == _told(second)
    assert sorted(outcome.item.name for outcome in seen) == [o.item.name for o in first.outcomes]
    expected, found = contents(one), contents(two)
    assert expected.keys() == found.keys()
    assert len(first.table) > 8
    for name in expected:
        if name.endswith(".csv"):
            assert expected[name] == found[name], name
        else:
            np.testing.assert_array_equal(tifffile.imread(two / name), tifffile.imread(one / name))
    assert not _hidden(two)
    again = cytosynth.batch(many, two, resume=True, **options)
    assert [o.state for o in again.outcomes] == ["skipped"] * 8 + ["failed"]


def test_a_plate_is_the_same_though_a_worker_is_killed(
    cluster, kill, write_a_plate, picture, saved_model, tmp_path, contents
) -> None:
    """Each field is one task; the plate that one process writes is equal to the last byte."""
    plate, one, two = tmp_path / "p.zarr", tmp_path / "one", tmp_path / "two"
    write_a_plate(plate, picture(), {"A/1": 4, "B/2": 4, "B/10": 4})
    options = {"model": saved_model, "scheduler": cluster.scheduler_address}
    first = cytosynth.batch(plate, one, model=saved_model)
    second = cytosynth.batch(plate, two, progress=kill, **options)
    assert _told(first) == _told(second)
    assert [o.state for o in first.outcomes] == ["done"] * 12
    assert contents(one) == contents(two)
    chunks = [p.relative_to(one) for p in one.rglob("c/*/*") if p.is_file()]
    assert len(chunks) >= 24
    for name in chunks:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    made = [json.loads((out / "p-segmented.zarr/zarr.json").read_text()) for out in (one, two)]
    assert made[0]["attributes"]["ome"] == made[1]["attributes"]["ome"]
    assert list(zarr_images(two / "p-segmented.zarr")) == sorted(
        str(outcome.item.series) for outcome in first.outcomes
    )
    assert not _hidden(two)


def test_a_worker_takes_the_threads_it_was_given(
    cluster, dask, many, saved_model, tmp_path
) -> None:
    cytosynth.batch(many, tmp_path / "out", model=saved_model, scheduler=cluster.scheduler_address)

    def threads():
        import torch

        return torch.get_num_threads()

    assert set(dask.run(threads).values()) == {1}


@pytest.fixture
def impatient(dask):
    """Let Dask blame all tasks of a worker for its first death, the innocent ones too."""

    def allow(number, dask_scheduler):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, number
        return before

    before = dask.run_on_scheduler(allow, 0)
    yield
    dask.run_on_scheduler(allow, before)


def test_an_image_that_takes_its_workers_with_it_fails_alone(
    cluster, dask, impatient, many, saved_model, tmp_path
) -> None:
    class Deadly(distributed.WorkerPlugin):
        name = "deadly"

        def setup(self, worker):
            from napari_cytosynth.tasks.batch import verbs

            run = verbs.segment

            def segment(image, **options):
                if image.path.endswith("3.tif"):
                    os.kill(os.getpid(), signal.SIGKILL)
                return run(image, **options)

            verbs.segment = segment
            self.undo = lambda: setattr(verbs, "segment", run)

        def teardown(self, worker):
            self.undo()

    dask.register_plugin(Deadly())
    try:
        result = cytosynth.batch(
            many, tmp_path / "out", model=saved_model, scheduler=cluster.scheduler_address
        )
    finally:
        dask.unregister_worker_plugin("deadly")
    assert [o.state for o in result.outcomes] == [
        "failed" if o.item.name in ("3.tif", "broken.tif") else "done" for o in result.outcomes
    ]
    said = {outcome.item.name: outcome.sentence for outcome in result.failures}
    assert "Every worker that began it was lost, most likely because" in said["3.tif"]
    assert "cut off or damaged" in said["broken.tif"]


def test_cancelling_takes_the_tasks_back_and_resuming_goes_on(
    cluster, dask, many, saved_model, tmp_path
) -> None:
    out = tmp_path / "out"
    options = {"model": saved_model, "scheduler": cluster.scheduler_address, "resume": True}

    def stop(done, total, message):
        if done >= 2 and "looking" not in message:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        cytosynth.batch(many, out, progress=stop, **options)
    assert not dask.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
    states = [o.state for o in cytosynth.batch(many, out, **options).outcomes]
    assert 2 <= states.count("skipped") < 8
    assert states.count("failed") == 1
    assert not _hidden(out)


SCRIPT = """
import sys
import napari_cytosynth as cytosynth
cytosynth.batch(sys.argv[1], sys.argv[2], model=sys.argv[3], scheduler=sys.argv[4])
"""


def _await(condition):
    end = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_client_that_is_killed_leaves_whole_fields_and_no_task(
    cluster, dask, write_a_plate, picture, saved_model, tmp_path
) -> None:
    plate, out = tmp_path / "p.zarr", tmp_path / "out"
    write_a_plate(plate, picture(), {"A/1": 40})
    given = [plate, out, saved_model, cluster.scheduler_address]
    with subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, given)]) as client:
        try:
            # glob, unlike Path.rglob, does not mind folders that vanish meanwhile
            _await(lambda: glob(f"{out}/**/*-provenance.json", recursive=True))
        finally:
            client.kill()
    _await(lambda: not dask.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
    _await(
        lambda: not any(dask.run(lambda dask_worker: dask_worker.state.executing_count).values())
    )
    assert not _hidden(out / "p-segmented.zarr")
    result = cytosynth.batch(
        plate, out, model=saved_model, scheduler=cluster.scheduler_address, resume=True
    )
    states = [outcome.state for outcome in result.outcomes]
    assert states.count("skipped") >= 1
    assert states.count("skipped") + states.count("done") == 40
    assert not _hidden(out)


def test_what_a_worker_does_not_see_is_said(cluster, many, saved_model, tmp_path, monkeypatch):
    options = {"model": saved_model, "scheduler": cluster.scheduler_address}

    def unseen(plan):
        (many / "5.tif").unlink()

    result = cytosynth.batch(many, tmp_path / "out", on_plan=unseen, **options)
    (gone,) = [o.sentence for o in result.failures if o.item.name == "5.tif"]
    assert "does not see “" in gone
    assert "under the same path" in gone
    make = client_module.RemoteWork
    elsewhere = tmp_path / "a disk of another machine"
    monkeypatch.setattr(
        client_module, "RemoteWork", lambda *given: replace(make(*given), marker=elsewhere)
    )
    with pytest.raises(CytosynthError, match=r"The worker tcp.*does not see “.*out2”.*same path"):
        cytosynth.batch(many, tmp_path / "out2", **options)
    assert not list((tmp_path / "out2").rglob("*"))


def test_a_worker_without_this_version_is_named(cluster, many, saved_model, tmp_path, monkeypatch):
    options = {"model": saved_model, "scheduler": cluster.scheduler_address}
    monkeypatch.setattr(client_module, "__version__", "0.0.1")
    with pytest.raises(CytosynthError, match=r"has napari-cytosynth .* this machine has 0\.0\.1"):
        cytosynth.batch(many, tmp_path / "out", **options)

    class Absent:
        """Unpickles as a function of a package that is not there."""

        def __init__(self, *arguments):
            pass

        def __reduce__(self):
            return eval, ("__import__('napari_cytosynth.nowhere')",)

    monkeypatch.setattr(client_module, "RemoteCall", Absent)
    with pytest.raises(CytosynthError, match=r"lacks what it needs \(No module.*pip install"):
        cytosynth.batch(many, tmp_path / "out", **options)


def test_other_weights_at_a_worker_are_refused(cluster, many, saved_model, tmp_path, monkeypatch):
    make = client_module.RemoteWork
    monkeypatch.setattr(
        client_module, "RemoteWork", lambda *given: replace(make(*given), sha256="0" * 64)
    )
    with pytest.raises(CytosynthError, match="it has other weights of “tiny”"):
        cytosynth.batch(
            many, tmp_path / "out", model=saved_model, scheduler=cluster.scheduler_address
        )


def test_a_model_that_was_never_on_disk_cannot_be_sent(cluster, many, tiny_model, tmp_path) -> None:
    with pytest.raises(InputError, match="give its name or its folder"):
        cytosynth.batch(
            many, tmp_path / "out", model=tiny_model, scheduler=cluster.scheduler_address
        )


def test_a_scheduler_that_does_not_answer_is_named_soon(many, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(connection, "_PATIENCE", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    for given in (address, "nonsense://here", "tcp://"):
        with pytest.raises(CytosynthError, match=f"No Dask scheduler answers at “{given}”"):
            cytosynth.batch(many, tmp_path / "out", scheduler=given)
    with pytest.raises(InputError, match="address of a Dask scheduler"):
        cytosynth.batch(many, tmp_path / "out", scheduler=8786)
    with pytest.raises(InputError, match="either jobs or a scheduler"):
        cytosynth.batch(many, tmp_path / "out", scheduler=address, jobs=2)
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_line_that_installs_it_is_said(many, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(CytosynthError, match=r'pip install "napari-cytosynth\[distributed\]"'):
        cytosynth.batch(many, tmp_path / "out", scheduler="tcp://127.0.0.1:1")
