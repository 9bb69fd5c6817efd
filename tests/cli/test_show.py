from __future__ import annotations

import json
import os

import numpy as np
import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.export.records import sealed
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation


@pytest.fixture
def result():
    probability = np.zeros((20, 30), np.float32)
    probability[2:6, 3:9] = 0.9
    model = {"name": "tiny", "source": "folder/tiny", "sha256": "ab" * 32}
    source = {"path": "/data/well_1.tif", "layer": None, "shape": [20, 30], "dtype": "uint8"}
    record = {"version": "1", "task": "segment", "model": model, "source": source}
    return Segmentation(
        probability,
        "YX",
        LabelOptions(0.5),
        source=Source(np.zeros((20, 30), np.uint8), path="/data/well_1.tif"),
        base_provenance=record,
    )


def show(capsys, *arguments):
    status = main(["show", *map(str, arguments)])
    return status, capsys.readouterr()


@pytest.mark.parametrize(
    "name",
    ["", "probability.tif", "labels.tif", "table.csv", "provenance.json"],
)
def test_every_file_of_a_result_tells_what_it_was_made_from(result, tmp_path, capsys, name):
    result.save(tmp_path)
    status, said = show(capsys, tmp_path / name)
    assert status == 0
    assert "image: /data/well_1.tif (20 × 30, uint8)" in said.out
    assert "model: tiny (folder/tiny), weights abababababab" in said.out
    assert "threshold 0.5" in said.out
    assert f"{name or 'labels.tif'}: as it was written" in said.out


def test_what_the_image_was_unlike_is_shown(result, tmp_path, capsys):
    result.save(tmp_path / "usual")
    assert "doubt" not in show(capsys, tmp_path / "usual")[1].out
    result.base_provenance["unlike"] = "This looks unlike what the model was trained on."
    result.save(tmp_path / "odd")
    assert "doubt: This looks unlike what the model" in show(capsys, tmp_path / "odd")[1].out


def test_a_zarr_and_a_moved_image_bring_their_record(result, tmp_path, capsys):
    pytest.importorskip("zarr")
    result.save(tmp_path / "x.zarr")
    assert "x.zarr: as it was written" in show(capsys, tmp_path / "x.zarr")[1].out
    result.save(tmp_path / "out")
    (tmp_path / "moved").mkdir()
    (tmp_path / "out" / "labels.tif").rename(tmp_path / "moved" / "mine.tif")
    assert "mine.tif: as it was written" in show(capsys, tmp_path / "moved")[1].out
    status, said = show(capsys, tmp_path / "out")
    assert (status, "labels.tif: missing" in said.out) == (1, True)


def test_what_was_changed_is_named(result, tmp_path, capsys):
    result.save(tmp_path)
    labels = tifffile.imread(tmp_path / "labels.tif")
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    status, said = show(capsys, tmp_path)
    assert (status, "labels.tif: saved again by another program" in said.out) == (0, True)
    labels[0, 0] = 7
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    status, said = show(capsys, tmp_path)
    assert (status, "labels.tif: changed since" in said.out) == (1, True)


def test_the_stored_record_is_printed_as_json(result, tmp_path, capsys):
    result.save(tmp_path)
    status, said = show(capsys, tmp_path, "--json")
    assert json.loads(said.out) == json.loads((tmp_path / "provenance.json").read_text())
    assert status == 0


@pytest.mark.parametrize("name", ["nothing.tif", "mine.tif", "mine.json", "."])
def test_what_has_no_record_is_explained(tmp_path, capsys, name):
    (tmp_path / "mine.tif").write_bytes(b"II*\0")
    (tmp_path / "mine.json").write_text('{"task": "segment"}')
    status, said = show(capsys, tmp_path / name)
    assert status == 1
    assert "There is no file" in said.err or "has no provenance" in said.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_a_pipe_among_the_files_is_not_waited_for(result, tmp_path, capsys):
    result.save(tmp_path)
    os.mkfifo(tmp_path / "pipe.tif")
    assert show(capsys, tmp_path)[0] == 0
    status, said = show(capsys, tmp_path / "pipe.tif")
    assert (status, "has no provenance" in said.err) == (1, True)
    (tmp_path / "pipe.tif").replace(tmp_path / "labels.tif")
    status, said = show(capsys, tmp_path)
    assert (status, "labels.tif: changed since" in said.out) == (1, True)


def test_a_record_cannot_steer_the_terminal(tmp_path, capsys):
    record = {"task": "\x1b]0;x\x07", "files": {"a\x1b[2J": {}, "b": 3}, "source": [], "model": 1}
    record |= {"parameters": {"\x1b[1m": "\x9b1m"}, "seeds": None}
    (tmp_path / "provenance.json").write_text(json.dumps(sealed(record)))
    status, said = show(capsys, tmp_path)
    assert status == 1
    assert not {"\x1b", "\x9b", "\x07"} & set(said.out)
