from __future__ import annotations

import json

import numpy as np
import pytest

from napari_cytosynth.cli import main
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.results import write_tiff
from napari_cytosynth.zoo.card import ConfidenceTerm, ObjectDoubt
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def folder(tiny_stainer, tmp_path):
    save_model(tmp_path / "model", tiny_stainer.network, tiny_stainer.card)
    return tmp_path / "model"


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    write_tiff(tmp_path / "phase.tif", pixels, "YX", (0.5, 0.5))
    return tmp_path / "phase.tif"


def stain(picture, folder, out, *more):
    return main(["stain", str(picture), "--model", str(folder), "--out", str(out), *more])


def test_mean_uncertainty_and_record_are_written(picture, folder, tmp_path, capsys):
    assert stain(picture, folder, tmp_path / "out", "--samples", "3", "--seed", "7") == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "mean.tif",
        "provenance.json",
        "std.tif",
    ]
    for name in ("mean.tif", "std.tif"):
        file = read_image(out / name)
        assert (file.data.shape, file.axes, file.pixel_size_um) == ((2, 40, 56), "CYX", 0.5)
    parameters = json.loads((out / "provenance.json").read_text())["parameters"]
    assert (parameters["samples"], parameters["seed"]) == (3, 7)
    said = capsys.readouterr()
    assert "Predicted DNA, AGP" in said.out
    assert "calibrated uncertainty from 3 samples" in said.out
    assert said.err == ""


def test_one_stain_without_samples(picture, folder, tmp_path, capsys):
    assert stain(picture, folder, tmp_path / "o", "--samples", "0", "--stains", "AGP") == 0
    assert not (tmp_path / "o" / "std.tif").exists()
    assert read_image(tmp_path / "o" / "mean.tif").data.shape == (40, 56)
    assert "Predicted AGP" in capsys.readouterr().out


def test_an_unusual_image_is_warned_of(picture, folder, tmp_path, capsys):
    more = ("--samples", "0", "--pixel-size", "0.1")
    assert stain(picture, folder, tmp_path / "o", *more) == 0
    assert "Warning: This looks unlike what the model was trained on: pixel size 0.1 µm" in (
        capsys.readouterr().err
    )
    assert stain(picture, folder, tmp_path / "o", *more, "--resample") == 0
    assert "Warning" not in capsys.readouterr().err


def test_what_cannot_be_done_is_explained(picture, folder, tmp_path, capsys):
    assert stain(picture, folder, tmp_path / "o", "--samples", "1") == 1
    assert "at least 2" in capsys.readouterr().err
    for option, value in (("--tolerance", "2"), ("--inject-dropout", "1")):
        assert stain(picture, folder, tmp_path / "o", option, value) == 1
        assert "between 0 and 1" in capsys.readouterr().err
    assert stain(picture, folder, tmp_path / "o", "--stains", "ER") == 1
    assert "no stain ER" in capsys.readouterr().err


def test_a_real_phase_contrast_image(shared_data, folder, tmp_path):
    picture = min((shared_data / "phase-usiigaci").rglob("*.tif"))
    assert stain(picture, folder, tmp_path / "out", "--samples", "2") == 0
    mean, std = (read_image(tmp_path / "out" / name).data for name in ("mean.tif", "std.tif"))
    assert mean.shape == std.shape == (2, *read_image(picture).data.shape)
    assert np.isfinite(mean).all()
    assert std.min() > 0


def test_objects_are_written_and_their_unknown_doubt_is_said(picture, folder, tmp_path, capsys):
    more = ("--samples", "0", "--objects", "DNA")
    assert stain(picture, folder, tmp_path / "out", *more) == 0
    said = capsys.readouterr().out
    assert "not known which of these objects are doubtful" in said
    assert "nuclei in the virtual DNA, of unknown doubt." in said
    labels = read_image(tmp_path / "out" / "labels.tif")
    assert (labels.data.shape, labels.axes, labels.pixel_size_um) == ((40, 56), "YX", 0.5)
    header = (tmp_path / "out" / "table.csv").read_text().splitlines()[0].split(",")
    assert {"label", "area_px"} <= set(header)
    assert "doubt" not in header
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["objects"]["doubt"] == "unknown"
    assert main(["show", str(tmp_path / "out" / "labels.tif")]) == 0
    assert "objects: " in capsys.readouterr().out


def test_the_doubt_of_objects_is_said_and_written(picture, make_stainer, tmp_path, capsys):
    term = ConfidenceTerm(weight=-1, mean=0.9, std=0.1)
    known = {"intercept": 3, "wrong": 0.2, "count": 100, "fields": 3, "stain": "DNA"}
    block = ObjectDoubt(segmenter="fluo-nuclei-unet", terms={"outline_views": term}, **known)
    model = make_stainer(doubt=[block])
    save_model(tmp_path / "model", model.network, model.card)
    more = ("--samples", "0", "--objects", "DNA")
    assert stain(picture, tmp_path / "model", tmp_path / "out", *more) == 0
    assert "are expected to be wrong" in capsys.readouterr().out
    assert "doubt" in (tmp_path / "out" / "table.csv").read_text().splitlines()[0].split(",")


def test_objects_of_a_stain_that_is_not_made_are_refused_before_the_run(
    picture, folder, tmp_path, capsys
):
    assert stain(picture, folder, tmp_path / "o", "--stains", "AGP", "--objects", "DNA") == 1
    assert "no stain “DNA” in this result, only AGP" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_labels_of_others_are_not_replaced(picture, folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "table.csv").write_text("mine\n")
    assert stain(picture, folder, tmp_path / "out", "--samples", "0", "--objects", "DNA") == 1
    assert "table.csv" in capsys.readouterr().err
    assert (tmp_path / "out" / "table.csv").read_text() == "mine\n"
