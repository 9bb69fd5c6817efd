from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects
from napari_cytosynth.tasks.export.objects.model import LabelledObjects
from napari_cytosynth.tasks.export.objects.rasters import label_properties, write_labels
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation


def test_tiff_round_trip(case, tmp_path):
    labels, axes = case
    if not labels.size or labels.max() >= 2**32:
        pytest.skip("no TIFF holds it")
    ids = np.unique(labels)
    table = pd.DataFrame({"label": ids[ids > 0]}).assign(kind="A")
    objects = LabelledObjects(labels, table, axes, (0.5, 0.5))
    files = write_labels(tmp_path / "cells.tif", objects)
    assert [file.name for file in files] == ["cells.tif", "cells-table.csv"]
    found = read_objects(tmp_path / "cells.tif")
    np.testing.assert_array_equal(found.labels.reshape(labels.shape), labels)
    assert list(found.table["label"]) == list(table["label"])
    assert found.pixel_size == (0.5, 0.5)


def test_a_label_beyond_tiff(tmp_path):
    objects = LabelledObjects(np.array([[2**32]]), pd.DataFrame({"label": [2**32]}), "YX")
    with pytest.raises(OutputError, match=r"4,294,967,296 is larger"):
        write_labels(tmp_path / "a.tif", objects)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def result():
    probability = np.zeros((20, 30), np.float32)
    probability[2:6, 3:9] = probability[8:12, 10:20] = 0.9
    return Segmentation(probability, "YX", LabelOptions(0.5), pixel_size=(0.5, 0.25))


@pytest.mark.parametrize("name", ["out.zarr", "out"])
def test_a_result_is_read_with_its_table(result, tmp_path, name):
    result.save(tmp_path / name)
    found = read_objects(tmp_path / (name if name == "out.zarr" else "out/labels.tif"))
    np.testing.assert_array_equal(found.labels, result.labels)
    pd.testing.assert_frame_equal(
        found.table, result.table.drop(columns="index"), check_dtype=False
    )
    assert found.pixel_size == (0.5, 0.25)


def test_a_film_is_read_with_a_row_for_each_frame(result, tmp_path):
    """Properties of an OME-Zarr have one row for a label; the CSV beside it has them all."""
    frames = np.stack([result.probability, result.probability[::-1]])
    film = Segmentation(frames, "TYX", LabelOptions(0.5), pixel_size=(0.5, 0.25))
    film.save(tmp_path / "out.zarr")
    found = read_objects(tmp_path / "out.zarr")
    np.testing.assert_array_equal(found.labels, film.labels)
    assert list(found.table["t"]) == [0, 0, 1, 1]
    assert list(found.table["area_px"]) == list(film.table["area_px"])


def test_properties_are_those_of_ome_zarr(result, tmp_path):
    result.save(tmp_path / "out.zarr")
    content = json.loads((tmp_path / "out.zarr/labels/objects/zarr.json").read_text())
    first, second = content["attributes"]["ome"]["image-label"]["properties"]
    assert (first["label-value"], second["label-value"]) == (1, 2)
    assert first["area_px"] == 24


def test_what_no_json_holds():
    table = pd.DataFrame({"label": [1, 2], "a": [np.nan, np.inf]})
    assert label_properties(table) == [{"label-value": 1}, {"label-value": 2, "a": "inf"}]


def test_several_rows_for_a_label_are_left_to_the_csv():
    assert label_properties(pd.DataFrame({"label": [1, 1], "t": [0, 1]})) == []


def test_no_labels(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError):
        read_objects(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="no file"):
        read_objects(tmp_path / "b.tif")
