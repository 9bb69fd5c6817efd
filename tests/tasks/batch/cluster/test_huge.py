"""A plane of a batch that is too large as a whole: done in blocks, here and on a cluster."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

import napari_cytosynth as cytosynth
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.batch import task
from napari_cytosynth.tasks.batch.cluster import blocks
from napari_cytosynth.tasks.segment.blocks import grid, segment_in_blocks


@pytest.fixture
def handed_over(monkeypatch):
    """Do items here, as the workers of a cluster would; return the names of those done."""
    names = []

    def outcomes(worker, items, scheduler, report, begin=None):
        for number, item in enumerate(items):
            report(number, "")
            names.append(item.name)
            yield number, worker.do(item, silent)

    for module in (blocks, task):
        monkeypatch.setattr(module, "outcomes_of_cluster", outcomes)
        monkeypatch.setattr(module, "check_scheduler", lambda scheduler: scheduler)
    return names


@pytest.fixture
def images(tmp_path, picture, monkeypatch):
    from tests.tasks.batch.conftest import write_zarr

    monkeypatch.setattr(grid, "BLOCK", 64)
    monkeypatch.setattr(grid, "HUGE", 100 * 100)
    place = tmp_path / "in"
    place.mkdir()
    tifffile.imwrite(place / "a.tif", picture(0))
    write_zarr(zarr.open_group(place / "b.zarr", mode="w", zarr_format=3), picture(1, (100, 120)))
    return place


def told(result):
    return [(o.item.title, o.state, o.sentence, o.count, o.files) for o in result.outcomes]


def test_blocks_of_a_huge_plane_are_shared_out(images, saved_model, handed_over, tmp_path):
    given = {"model": saved_model, "split_touching": False, "device": "cpu", "progress": silent}
    here = cytosynth.batch(images, tmp_path / "here", **given)
    assert not handed_over
    there = cytosynth.batch(images, tmp_path / "there", scheduler="tcp://x", **given)
    assert handed_over == ["a.tif", "block 0", "block 1", "block 2", "block 3"]
    assert told(here) == told(there)
    assert there.outcomes[1].files == ("b.zarr", "b-table.csv", "b-provenance.json")
    array = zarr.open_array(images / "b.zarr" / "0", mode="r")
    alone = tmp_path / "alone.zarr"
    given.pop("progress")
    segment_in_blocks(array, alone, axes="YX", pixel_size=0.5, progress=silent, **given)
    (name,) = [path.name for path in (alone / "labels").iterdir() if path.is_dir()]
    expected = zarr.open_array(alone / "labels" / name / "0", mode="r")[...]
    assert expected.max() == here.outcomes[1].count > 0
    for out in ("here", "there"):
        labels = zarr.open_array(tmp_path / out / "b.zarr" / "labels" / name / "0", mode="r")
        np.testing.assert_array_equal(labels, expected)
    handed_over.clear()
    again = cytosynth.batch(
        images, tmp_path / "there", scheduler="tcp://x", resume=True, **given, progress=silent
    )
    assert [outcome.state for outcome in again.outcomes] == ["skipped", "skipped"]
    assert not handed_over


def test_what_blocks_cannot_do_is_done_as_a_whole(images, saved_model, handed_over, tmp_path):
    """Touching objects that are split by their shape need the plane as a whole."""
    given = {"model": saved_model, "split_touching": True, "device": "cpu", "progress": silent}
    found = cytosynth.batch(images, tmp_path / "out", scheduler="tcp://x", **given)
    assert handed_over == ["a.tif", "b.zarr"]
    assert [outcome.state for outcome in found.outcomes] == ["done", "done"]
    assert (tmp_path / "out" / "b-labels.tif").is_file()
