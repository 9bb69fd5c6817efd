from __future__ import annotations

import json
import uuid

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects

LABELS = np.array([[1, 1, 0, 0], [1, 1, 0, 2], [0, 0, 0, 2]])
TABLE = pd.DataFrame({"label": [1, 2], "class": ["Tumor", None], "area_px": [4, 2]})


def _features(path):
    return json.loads(path.read_text())["features"]


def test_round_trip(case, check_round_trip):
    check_round_trip(*case, "objects.geojson")


def test_the_members_that_qupath_reads(tmp_path):
    path = tmp_path / "a.geojson"
    table = TABLE.assign(
        seen=[True, False], note=["α", None], x=[np.nan, 1.5], locked=[1 > 0, 0 > 1]
    )
    write_objects(path, LABELS, table)
    first, second = _features(path)
    assert first["type"] == "Feature"
    assert uuid.UUID(first["id"])
    assert first["geometry"]["type"] == "Polygon"
    ring = first["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] == [0, 0]
    assert "plane" not in first["geometry"]
    properties = first["properties"]
    assert properties["objectType"] == "detection"
    assert properties["name"] == "1"
    assert properties["isLocked"] is True
    assert properties["classification"] == {"name": "Tumor", "color": [230, 159, 0]}
    assert properties["measurements"] == {"area_px": 4}
    assert properties["metadata"] == {"label": "1", "seen": "true", "note": "α"}
    assert "classification" not in second["properties"]
    assert "isLocked" not in second["properties"]
    assert second["properties"]["measurements"] == {"area_px": 2, "x": 1.5}


def test_the_file_is_strict_json(tmp_path):
    path = tmp_path / "a.geojson"
    write_objects(path, LABELS, TABLE.assign(x=[np.nan, np.inf], s=["\u2028", "\x00"]))

    def refuse(text):
        raise AssertionError(text)

    json.loads(path.read_bytes(), parse_constant=refuse)


def test_planes_are_counted_from_zero_and_the_first_is_left_out(tmp_path):
    labels = np.zeros((2, 3, 4, 4), int)
    labels[0, 0, 0, 0] = labels[1, 2, 1, 1] = 5
    write_objects(tmp_path / "a.geojson", labels, axes="TZYX")
    first, second = (feature["geometry"] for feature in _features(tmp_path / "a.geojson"))
    assert "plane" not in first
    assert second["plane"] == {"c": -1, "z": 2, "t": 1}  # a further key would end QuPath's reading


def test_ids_are_those_of_the_same_labels_only(tmp_path):
    def ids(labels):
        write_objects(tmp_path / "a.geojson", labels, overwrite=True)
        return [feature["id"] for feature in _features(tmp_path / "a.geojson")]

    assert ids(LABELS) == ids(LABELS.astype(np.uint8))
    assert not {*ids(LABELS)} & {*ids(LABELS.T)}
    stack = ids(np.stack([LABELS, LABELS]))
    assert len({*stack}) == 4


def test_cells_have_their_nuclei(tmp_path):
    nuclei = np.zeros_like(LABELS)
    nuclei[0, 0] = 77
    nuclei[2, 0] = 78  # in no cell
    write_objects(tmp_path / "a.geojson", LABELS, TABLE, nuclei=nuclei)
    first, second = _features(tmp_path / "a.geojson")
    assert first["properties"]["objectType"] == "cell"
    assert first["nucleusGeometry"]["coordinates"] == [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    assert "nucleusGeometry" not in second
    found = read_objects(tmp_path / "a.geojson")
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(found.nuclei, np.where(nuclei == 77, 1, 0))


def test_classes_have_the_colours_that_are_given(tmp_path):
    write_objects(tmp_path / "a.geojson", LABELS, TABLE, class_colors={"Tumor": (1, 2, 3)})
    found = read_objects(tmp_path / "a.geojson")
    assert found.class_colors == {"Tumor": (1, 2, 3)}


def test_another_column_is_the_class(tmp_path):
    table = TABLE.rename(columns={"class": "type"})
    write_objects(tmp_path / "a.geojson", LABELS, table, class_column="type")
    assert _features(tmp_path / "a.geojson")[0]["properties"]["classification"]["name"] == "Tumor"
    assert read_objects(tmp_path / "a.geojson").table["type"][0] == "Tumor"


def test_a_cancelled_export_leaves_nothing(tmp_path):
    def cancel(*_):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        write_objects(tmp_path / "a.geojson", LABELS, progress=cancel)
    assert not list(tmp_path.iterdir())


def test_an_unknown_object_type_is_refused(tmp_path):
    with pytest.raises(InputError, match="object_type"):
        write_objects(tmp_path / "a.geojson", LABELS, object_type="thing")
    assert not list(tmp_path.iterdir())
