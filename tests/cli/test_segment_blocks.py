from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from napari_cytosynth.cli import main, segment_blocks
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.ome_zarr.groups import fill_group
from napari_cytosynth.tasks.segment.blocks import grid


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    root = zarr.open_group(tmp_path / "big.zarr", mode="w", zarr_format=3)
    fill_group(root, pixels, "YX", (0.5, 0.5), "big")
    return tmp_path / "big.zarr"


@pytest.fixture
def arguments(saved_model, image):
    named = ["--model", str(saved_model), "--device", "cpu", "--no-split-touching"]
    return ["segment", str(image), *named, "--out"]


@pytest.fixture
def large(monkeypatch):
    """Make planes of a few pixels large."""
    monkeypatch.setattr(segment_blocks, "_LARGE", 1000)
    monkeypatch.setattr(grid, "HUGE", 2000)


def in_blocks(record):
    return json.loads(record.read_text()).get("in_blocks", False)


def test_a_large_plane_goes_in_blocks_and_a_small_one_does_not(
    arguments, tmp_path, monkeypatch, capsys
):
    assert main([*arguments, str(tmp_path / "whole.zarr")]) == 0
    monkeypatch.setattr(segment_blocks, "_LARGE", 1000)
    assert main([*arguments, str(tmp_path / "parts.zarr")]) == 0
    assert not in_blocks(tmp_path / "whole-provenance.json")
    assert in_blocks(tmp_path / "parts-provenance.json")
    for inner in ("", "labels/blobs"):
        one, two = (
            read_image(tmp_path / name / inner).data for name in ("whole.zarr", "parts.zarr")
        )
        np.testing.assert_allclose(one, two, atol=1e-6)
    one, two = (tmp_path / f"{name}-table.csv" for name in ("whole", "parts"))
    assert one.read_text().splitlines()[0] == two.read_text().splitlines()[0]
    assert capsys.readouterr().out.count("objects at a threshold of 0.5") == 2


@pytest.mark.usefixtures("large")
def test_of_a_huge_plane_a_folder_gets_an_ome_zarr(arguments, tmp_path, capsys):
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert "too large for a TIFF" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "segmentation-provenance.json",
        "segmentation-table.csv",
        "segmentation.zarr",
    ]


@pytest.mark.usefixtures("large")
def test_what_blocks_cannot_do_is_done_as_a_whole(arguments, tmp_path, capsys):
    assert main([*arguments, str(tmp_path / "a.zarr"), "--export", str(tmp_path / "a.csv")]) == 0
    assert not in_blocks(tmp_path / "a-provenance.json")
    assert main([*arguments, str(tmp_path / "b.tif")]) == 0
    assert not in_blocks(tmp_path / "b-provenance.json")
    capsys.readouterr()


def test_a_scheduler_shares_out_the_blocks_of_one_plane(arguments, tmp_path, monkeypatch, capsys):
    from napari_cytosynth.tasks.batch.cluster import blocks

    def in_turn(worker, items, scheduler, report, begin=None):
        assert scheduler == "tcp://x"
        for number, item in enumerate(items):
            yield number, worker.do(item, lambda *_: None)

    monkeypatch.setattr(blocks, "check_scheduler", lambda scheduler: scheduler)
    monkeypatch.setattr(blocks, "outcomes_of_cluster", in_turn)
    line = [*arguments, str(tmp_path / "x.zarr"), "--scheduler", "tcp://x", "--resume"]
    assert main(line) == 1
    assert "Leave --scheduler out, or give a folder" in capsys.readouterr().err
    monkeypatch.setattr(segment_blocks, "_LARGE", 1000)
    assert main(line) == 0
    assert in_blocks(tmp_path / "x-provenance.json")
    assert main([*arguments, str(tmp_path / "one.zarr")]) == 0
    one, two = (
        read_image(tmp_path / name / "labels/blobs").data for name in ("x.zarr", "one.zarr")
    )
    np.testing.assert_array_equal(one, two)
