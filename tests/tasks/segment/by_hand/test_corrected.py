"""A segmentation that was corrected by hand: labels, table, record and files."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.correct import Corrections


@pytest.fixture
def result(image, model):
    return cytosynth.segment(image, model, precision="float32", threshold=0.55)


def _middle(result, label: int) -> tuple[int, int]:
    y, x = np.argwhere(result.labels == label)[0]
    return int(y), int(x)


def test_a_correction_makes_a_new_result_and_says_so_in_table_and_record(result):
    count = len(result.table)
    assert count > 3
    assert "correction" not in result.table
    merged = result.correct("merge", [_middle(result, 1), _middle(result, 2)])
    fewer = merged.correct("delete", [_middle(result, 3)])
    assert len(result.table) == count
    assert len(fewer.table) == count - 2
    row = fewer.table.set_index("label").loc[1]
    assert row["correction"] == "merged"
    assert row["area_px"] == (np.isin(result.labels, [1, 2])).sum()
    assert not (fewer.labels[result.labels == 3]).any()
    assert "corrections" not in result.provenance
    again = Corrections.from_record(json.loads(json.dumps(fewer.provenance))["corrections"])
    np.testing.assert_array_equal(result.corrected(again).labels, fewer.labels)


def test_corrections_are_kept_at_another_threshold(result):
    largest = int(result.table.sort_values("area_px")["label"].iloc[-1])
    where = result.labels == largest
    anchor = np.unravel_index(np.where(where, result.probability, -1).argmax(), where.shape)
    gone = result.correct("delete", [anchor])
    higher = gone.at_threshold(0.57)
    assert result.at_threshold(0.57).labels[anchor]
    assert not higher.labels[anchor]
    assert higher.without_effect == 0
    nothing = gone.at_threshold(1.0)
    assert nothing.without_effect == 1


def test_saved_corrections_come_with_what_is_known(result, tmp_path):
    made = result.correct("accept", [_middle(result, 1)]).correct("delete", [_middle(result, 2)])
    made.save(tmp_path / "one")
    known = tifffile.imread(tmp_path / "one" / "annotated.tif").astype(bool)
    np.testing.assert_array_equal(known, made.annotated)
    assert known[result.labels == 1].all()
    assert known[result.labels == 2].all()
    far = (result.labels > 2) & ~known
    assert far.sum() > 0.8 * (result.labels > 2).sum()
    table = pd.read_csv(tmp_path / "one" / "table.csv", keep_default_na=False)
    assert table.set_index("label")["correction"][1] == "accepted"
    record = json.loads((tmp_path / "one" / "provenance.json").read_text())
    assert Corrections.from_record(record["corrections"]) == made.corrections
    result.save(tmp_path / "plain")
    assert not (tmp_path / "plain" / "annotated.tif").exists()
    made.save(tmp_path / "one.zarr")
    assert (tmp_path / "one.zarr" / "annotated").is_dir()


def test_a_copied_script_corrects_too(result, image, model, tmp_path, monkeypatch):
    made = result.correct("merge", [_middle(result, 1), _middle(result, 2)])
    script = as_python(made.provenance)
    assert "corrected" not in as_python(result.provenance)
    monkeypatch.chdir(tmp_path)
    script = re.sub(r"image = .*", "", script)
    script = re.sub(r"model='[^']*'", "model=model", script)
    names = {"image": image, "model": model}
    exec(compile(script, "script", "exec"), names)
    np.testing.assert_array_equal(names["result"].labels, made.labels)


def test_planes_that_were_looked_at_are_known_as_a_whole(image, model):
    stack = cytosynth.segment(
        np.stack([image, image]), model, axes="TYX", precision="float32", threshold=0.55
    )
    seen = stack.corrected(stack.corrections.mark((1,)))
    assert seen.annotated[1].all()
    assert not seen.annotated[0].any()


def test_in_a_linked_stack_an_object_is_merged_in_all_planes(image, model):
    stack = cytosynth.segment(
        np.stack([image, image]), model, axes="ZYX", precision="float32", threshold=0.55,
        pixel_size=(1, 0.5, 0.5),
    )  # fmt: skip
    where = plane_slices("ZYX", (0,))
    labels = stack.labels[where]
    first, second = (tuple(np.argwhere(labels == one)[0]) for one in np.unique(labels)[1:3])
    merged = stack.correct("merge", [first, second], (0,))
    assert len(merged.table) == len(stack.table) - 1
    for plane in merged.labels:
        assert plane[first] == plane[second] > 0
