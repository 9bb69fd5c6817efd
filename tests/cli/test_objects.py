from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.formats import write_tiff
from napari_cytosynth.tasks.export.objects.exchange import read_objects

LABELS = np.zeros((12, 15), np.uint16)
LABELS[1:4, 2:6] = 1
LABELS[6:9, 3:9] = 2
LABELS[7, 5] = 0


@pytest.fixture
def labels(tmp_path):
    write_tiff(tmp_path / "labels.tif", LABELS, "YX", (0.5, 0.5))
    return str(tmp_path / "labels.tif")


@pytest.mark.parametrize("suffix", ["geojson", "zip"])
def test_there_and_back(tmp_path, labels, suffix, capsys):
    file, back = tmp_path / f"cells.{suffix}", tmp_path / "back.tif"
    assert main(["export", labels, "--to", str(file)]) == 0
    assert main(["import", str(file), "--out", str(back)]) == 0
    np.testing.assert_array_equal(tifffile.imread(back), LABELS)
    assert read_image(back).pixel_size_um == 0.5
    table = pd.read_csv(tmp_path / "back-table.csv")
    assert list(table["area_um2"]) == [3, 4.25]
    assert "2 objects" in capsys.readouterr().out


def test_a_table_and_its_classes(tmp_path, labels):
    pd.DataFrame({"label": [1, 2], "kind": ["A", "B"]}).to_csv(tmp_path / "t.csv", index=False)
    files = [str(tmp_path / name) for name in ("a.geojson", "a.csv", "a.parquet")]
    line = ["export", labels, "--table", str(tmp_path / "t.csv"), "--class-column", "kind"]
    assert main([*line, "--object-type", "annotation", "--to", *files]) == 0
    first = json.loads((tmp_path / "a.geojson").read_text())["features"][0]["properties"]
    assert first["classification"]["name"] == "A"
    assert first["objectType"] == "annotation"
    assert list(pd.read_parquet(files[2])["kind"]) == ["A", "B"]


def test_an_image_gives_the_shape_and_the_pixel_size(tmp_path, labels, capsys):
    content = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2]]]}
    (tmp_path / "a.geojson").write_text(json.dumps(content))
    line = ["import", str(tmp_path / "a.geojson"), "--out", str(tmp_path / "back.tif")]
    assert main(line) == 1
    assert "--like IMAGE or --shape" in capsys.readouterr().err
    assert main([*line, "--like", labels]) == 0
    assert read_image(tmp_path / "back.tif").pixel_size_um == 0.5
    assert main([*line, "--shape", "3", "4"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*line, "--shape", "3", "4", "--overwrite"]) == 0
    assert tifffile.imread(tmp_path / "back.tif").shape == (3, 4)


def test_what_is_there_is_not_replaced(tmp_path, labels, capsys):
    (tmp_path / "a.geojson").write_text("mine")
    assert main(["export", labels, "--to", str(tmp_path / "a.geojson")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "a.geojson").read_text() == "mine"
    assert main(["export", labels, "--to", str(tmp_path / "a.geojson"), "--overwrite"]) == 0


@pytest.mark.parametrize("name", ["a.txt", "a", "a.tif"])
def test_other_endings_are_refused(tmp_path, labels, name, capsys):
    assert main(["export", labels, "--to", str(tmp_path / f"new-{name}")]) == 1
    assert ".geojson, .zip" in capsys.readouterr().err


def test_labels_that_a_tiff_cannot_hold(tmp_path, capsys):
    np.save(tmp_path / "big.npy", np.array([[2**40, 0], [0, 0]]))
    assert main(["export", str(tmp_path / "big.npy"), "--to", str(tmp_path / "a.zip")]) == 0
    assert main(["import", str(tmp_path / "a.zip"), "--out", str(tmp_path / "a.tif")]) == 1
    assert "larger than a TIFF can hold" in capsys.readouterr().err
    assert not (tmp_path / "a.tif").exists()


def test_a_segmentation_is_exported_too(tmp_path, saved_model, capsys):
    image = np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", image)
    line = ["segment", str(tmp_path / "image.tif"), "--model", str(saved_model), "--device", "cpu"]
    line += ["--pixel-size", "0.5", "--out", str(tmp_path / "out"), "--export"]
    assert main([*line, str(tmp_path / "a.zip"), str(tmp_path / "a.geojson")]) == 0
    assert "a.geojson" in capsys.readouterr().out
    labels = tifffile.imread(tmp_path / "out" / "labels.tif")
    for name in ("a.zip", "a.geojson"):
        found = read_objects(tmp_path / name)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.provenance["task"] == "segment"
    before = (tmp_path / "out" / "labels.tif").stat().st_mtime_ns
    assert main([*line, str(tmp_path / "a.zip")]) == 1  # before the run
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "labels.tif").stat().st_mtime_ns == before


@pytest.mark.parametrize("option", ["--export", "--doubt"])
def test_an_option_for_one_image_is_refused_with_many(option, tmp_path, capsys):
    images = [tmp_path / "a.tif", tmp_path / "b.tif"]
    line = ["segment", *map(str, images), "--model", "m", "--out", str(tmp_path), option, "x"]
    assert main(line) != 0
    assert f"{option} is for one image" in capsys.readouterr().err
