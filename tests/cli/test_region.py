"""``--region`` of segment, stain and measure."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", pixels)
    return tmp_path / "image.tif"


@pytest.fixture
def region(tmp_path):
    ring = [[10, 20], [50, 20], [50, 60], [10, 60], [10, 20]]
    path = tmp_path / "part.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


INSIDE = np.s_[20:60, 10:50]


def test_segment(saved_model, image, region, tmp_path):
    command = ["segment", str(image), "--model", str(saved_model), "--device", "cpu"]
    command += ["--region", str(region), "--at-border", "mark", "--threshold", "0.4"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    probability = read_image(tmp_path / "out" / "probability.tif").data.copy()
    assert probability[INSIDE].any()
    probability[INSIDE] = 0
    assert not probability.any()
    assert "at_region_border" in pd.read_csv(tmp_path / "out" / "table.csv")
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["parameters"]["region"]["name"] == "part.geojson"


def test_stain(make_stainer, image, region, tmp_path):
    model = make_stainer()
    save_model(tmp_path / "model", model.network, model.card)
    command = ["stain", str(image), "--model", str(tmp_path / "model"), "--samples", "0"]
    assert main([*command, "--region", str(region), "--out", str(tmp_path / "out")]) == 0
    mean = read_image(tmp_path / "out" / "mean.tif").data
    assert np.isfinite(mean).sum() == mean[..., 20:60, 10:50].size


def test_measure(region, tmp_path, capsys):
    labels = np.zeros((90, 70), np.uint16)
    labels[25:30, 15:20], labels[50:70, 30:40], labels[80:85, 60:65] = 1, 2, 3
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    command = ["measure", str(tmp_path / "labels.tif"), "--region", str(region)]
    for word, expected in (("keep", [1, 2]), ("drop", [1])):
        out = tmp_path / word
        assert main([*command, "--at-border", word, "--out", str(out)]) == 0
        assert pd.read_csv(out / "table.csv")["label"].tolist() == expected
    record = json.loads((tmp_path / "drop" / "provenance.json").read_text())
    assert record["parameters"]["at_border"] == "drop"


@pytest.mark.parametrize("command", ["segment", "stain", "measure"])
def test_of_many_images_it_is_refused(command, saved_model, image, region, tmp_path, capsys):
    more = [] if command == "measure" else ["--model", str(saved_model)]
    line = [command, str(image), str(image), *more, "--region", str(region)]
    assert main([*line, "--out", str(tmp_path / "out")]) != 0
    assert "--region" in capsys.readouterr().err


def test_a_file_without_shapes_is_explained(saved_model, image, tmp_path, capsys):
    path = tmp_path / "none.geojson"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    line = ["segment", str(image), "--model", str(saved_model), "--region", str(path)]
    assert main([*line, "--out", str(tmp_path / "out")]) != 0
    assert "There is no shape with an area in “none.geojson”" in capsys.readouterr().err


def test_a_border_without_a_region_is_explained(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "labels.tif", np.ones((8, 8), np.uint16))
    line = ["measure", str(tmp_path / "labels.tif"), "--at-border", "drop"]
    assert main([*line, "--out", str(tmp_path / "out")]) != 0
    assert "give --region" in capsys.readouterr().err
