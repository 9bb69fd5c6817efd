"""A plane shared out in blocks: the same as by one process, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_cytosynth.errors import Cancelled, CytosynthError, OutputError
from napari_cytosynth.phantoms import fluorescent_nuclei
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.batch.cluster import blocks as module
from napari_cytosynth.tasks.batch.cluster.blocks import segment_on_cluster
from napari_cytosynth.tasks.batch.settings import BatchSettings
from napari_cytosynth.tasks.batch.worker import Worker
from napari_cytosynth.tasks.segment.blocks import grid, segment_in_blocks

distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHAPE = (300, 340)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(grid, "BLOCK", 128)


@pytest.fixture
def plane(tmp_path):
    """An OME-Zarr of simulated nuclei, 3 × 3 blocks."""
    from tests.tasks.batch.conftest import write_zarr

    image = fluorescent_nuclei(SHAPE, count=40, seed=1).image
    path = tmp_path / "in" / "large.zarr"
    write_zarr(zarr.open_group(path, mode="w", zarr_format=3), image)
    return path


@pytest.fixture
def settings():
    return BatchSettings("segment", "fluo-nuclei-unet", {"device": "cpu"})


def alone(plane, target, **options):
    """Segment with one process."""
    image = zarr.open_array(plane / "0", mode="r")
    return segment_in_blocks(
        image, target, "fluo-nuclei-unet", axes="YX", pixel_size=0.5, device="cpu",
        progress=silent, **options,
    )  # fmt: skip


def same(found, expected):
    """Assert that two OME-Zarrs have the same pixels and tables."""
    for name in ("0", "labels/nuclei/0", "labels/nuclei/1"):
        one, other = (zarr.open_array(path / name, mode="r")[...] for path in (found, expected))
        if name == "0":
            np.testing.assert_allclose(one, other, atol=1e-6)
        else:
            np.testing.assert_array_equal(one, other)
    tables = [pd.read_csv(p.with_name(f"{p.stem}-table.csv")) for p in (found, expected)]
    assert len(tables[0]) > 20
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-5)


@pytest.fixture
def in_turn(monkeypatch):
    """Do items here, one by one, as the workers of a cluster would; return those done."""
    done = []

    def outcomes(worker, items, scheduler, report, begin=None):
        for number, item in enumerate(items):
            report(number, "")
            outcome = worker.do(item, silent)
            done.append((item.stage, item.number))
            yield number, outcome

    monkeypatch.setattr(module, "outcomes_of_cluster", outcomes)
    monkeypatch.setattr(module, "check_scheduler", lambda scheduler: scheduler)
    return done


def test_blocks_give_what_one_process_gives_and_are_not_done_twice(
    plane, settings, in_turn, tmp_path, monkeypatch
):
    target = tmp_path / "out" / "x.zarr"

    def stop(done, total, message):
        if len(in_turn) == 12:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        segment_on_cluster(plane, target, settings, "tcp://x", progress=stop)
    assert not target.exists()
    assert (tmp_path / "out/x-blocks").is_dir()
    found = segment_on_cluster(plane, target, settings, "tcp://x", progress=silent)
    wanted = [(stage, number) for stage in ("network", "objects") for number in range(9)]
    assert sorted(in_turn) == sorted(wanted)
    assert not (tmp_path / "out/x-blocks").exists()
    expected = alone(plane, tmp_path / "one" / "x.zarr")
    same(target, tmp_path / "one" / "x.zarr")
    assert [f.name for f in found.files] == [f.name for f in expected.files]
    assert found.doubt == expected.doubt


@pytest.mark.parametrize("changed", ["image", "settings"])
def test_blocks_of_another_image_or_of_other_settings_are_made_anew(
    plane, settings, in_turn, tmp_path, changed
):
    target = tmp_path / "out" / "x.zarr"

    def stop(done, total, message):
        if len(in_turn) == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        segment_on_cluster(plane, target, settings, "tcp://x", progress=stop)
    in_turn.clear()
    options = {}
    if changed == "image":
        array = zarr.open_array(plane / "0")
        array[...] = array[...][::-1]
    else:
        options = {"threshold": 0.3}
        settings = BatchSettings("segment", settings.model, {"device": "cpu", **options})
    segment_on_cluster(plane, target, settings, "tcp://x", progress=silent)
    assert len(in_turn) == 18
    alone(plane, tmp_path / "one" / "x.zarr", **options)
    same(target, tmp_path / "one" / "x.zarr")


def test_a_folder_of_others_is_in_the_way_and_stays(plane, settings, in_turn, tmp_path):
    mine = tmp_path / "x-blocks" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    with pytest.raises(OutputError, match="is in the way"):
        segment_on_cluster(plane, tmp_path / "x.zarr", settings, "tcp://x", progress=silent)
    assert mine.read_text() == "precious"
    assert not in_turn


def test_a_block_that_fails_ends_the_run_and_the_rest_stays(
    plane, settings, in_turn, tmp_path, monkeypatch
):
    damaged = tmp_path / "in/large.zarr/0/c/0/0"
    content = damaged.read_bytes()
    made = Worker.do

    def do(self, item, progress):
        if item.number == 4:
            damaged.write_bytes(b"damaged")
        return made(self, item, progress)

    monkeypatch.setattr(Worker, "do", do)
    with pytest.raises(CytosynthError, match=r"Block 4 of 9 failed: .*What is done stays"):
        segment_on_cluster(plane, tmp_path / "x.zarr", settings, "tcp://x", progress=silent)
    assert damaged.read_bytes() != content
    assert len(list((tmp_path / "x-blocks/network").iterdir())) == 4


def test_a_worker_that_is_killed_repeats_its_own_blocks_only(plane, settings, tmp_path):
    target, killed = tmp_path / "out" / "x.zarr", threading.Event()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster.scheduler_address, set_as_default=False) as dask,
    ):
        written, repeated = {}, set()

        def kill(done, total, message):
            for path in (tmp_path / "out").glob("x-blocks/*/*.npz"):
                block = path.parent.name, path.name
                if written.setdefault(block, path.stat().st_mtime_ns) != path.stat().st_mtime_ns:
                    repeated.add(block)
            busy = [w for w, keys in dask.processing().items() if any("cyto" in k for k in keys)]
            if written and busy and not killed.is_set():
                killed.set()
                (pid,) = dask.run(os.getpid, workers=busy[:1]).values()
                os.kill(pid, signal.SIGKILL)

        segment_on_cluster(plane, target, settings, cluster.scheduler_address, progress=kill)
    assert killed.is_set()
    assert len(repeated) <= 1  # the one that it had written, and not told of yet
    alone(plane, tmp_path / "one" / "x.zarr")
    same(target, tmp_path / "one" / "x.zarr")
    assert [p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")] == []
