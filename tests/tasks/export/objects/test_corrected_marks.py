"""What was corrected by hand, in every file that objects are taken along in."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.tasks.correct import Corrections
from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects
from napari_cytosynth.tasks.export.objects.rasters import write_labels

LABELS = np.array([[1, 1, 0, 2], [0, 0, 0, 2], [3, 3, 0, 4], [3, 3, 0, 4]], np.int32)
NAMES = ["merged", "", "accepted", "painted"]
RECORD = {
    "done": [
        {
            "kind": "accept",
            "plane": [],
            "targets": [{"anchor": [2, 0], "window": [2, 0, 4, 2], "area": 4}],
        }
    ],
    "looked_at": [[]],
}
PROVENANCE = {"task": "segment", "corrections": RECORD | {"axes": "YX", "shape": [4, 4]}}


def _table(names=NAMES):
    count = len(names)
    return pd.DataFrame(
        {"label": np.arange(1, count + 1), "class": ["a", "b", "a", "b"][:count],
         "correction": names}
    )  # fmt: skip


@pytest.mark.parametrize("names", [NAMES, [""] * 4], ids=["some", "none"])
@pytest.mark.parametrize("name", ["a.geojson", "a.zip", "a.csv", "a.parquet"])
def test_marks_of_the_objects_come_back(tmp_path, name, names):
    write_objects(tmp_path / name, LABELS, _table(names), provenance=PROVENANCE)
    found = read_objects(tmp_path / name, LABELS)
    assert found.table["correction"].tolist() == names
    assert found.table["class"].tolist() == ["a", "b", "a", "b"]
    np.testing.assert_array_equal(found.labels, LABELS)


@pytest.mark.parametrize("name", ["a.geojson", "a.zip", "a.parquet"])
def test_the_corrections_themselves_come_back_where_a_file_holds_a_record(tmp_path, name):
    write_objects(tmp_path / name, LABELS, _table(), provenance=PROVENANCE)
    record = read_objects(tmp_path / name, LABELS).provenance["corrections"]
    assert Corrections.from_record(record) == Corrections.from_record(RECORD)


def test_qupath_gives_the_marks_back(tmp_path):
    write_objects(tmp_path / "a.geojson", LABELS, _table(), provenance=PROVENANCE)
    content = json.loads((tmp_path / "a.geojson").read_text())
    known = {key: content[key] for key in ("type", "features")}  # what QuPath keeps
    (tmp_path / "b.geojson").write_text(json.dumps(known))
    found = read_objects(tmp_path / "b.geojson", LABELS)
    assert found.table["correction"].tolist() == NAMES
    assert "corrections" not in found.provenance


def test_marks_beside_a_tiff(tmp_path):
    write_objects(tmp_path / "a.geojson", LABELS, _table(), provenance=PROVENANCE)
    write_labels(tmp_path / "b.tif", read_objects(tmp_path / "a.geojson"))
    assert read_objects(tmp_path / "b.tif").table["correction"].tolist() == NAMES


@pytest.mark.parametrize("name", ["made.zarr", "made"])
def test_marks_of_a_saved_result(corrected, tmp_path, name):
    corrected.save(tmp_path / name)
    place = tmp_path / name if name.endswith(".zarr") else tmp_path / name / "labels.tif"
    found = read_objects(place)
    assert found.table["correction"].tolist() == corrected.table["correction"].tolist()
    assert "merged" in set(found.table["correction"])
    np.testing.assert_array_equal(found.labels, corrected.labels)


@pytest.fixture
def corrected(make_model):
    import napari_cytosynth as cytosynth

    image = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    result = cytosynth.segment(
        image, make_model(pixel_size_um=0.5), precision="float32", threshold=0.55
    )
    first, second = (np.argwhere(result.labels == label)[0] for label in (1, 2))
    return result.correct("merge", [tuple(first.tolist()), tuple(second.tolist())])
