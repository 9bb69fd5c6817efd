"""Evaluation and calibration on fields that were taken in several focal planes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.stain.task import stain
from napari_cytosynth.training.stain.calibrate.calibration import calibrate
from napari_cytosynth.training.stain.evaluate.fields import (
    FieldReader,
    Stainer,
    channels_per_file,
    find_stain_fields,
)
from napari_cytosynth.training.stain.evaluate.run import StainOptions, evaluate_stain
from napari_cytosynth.training.stain.evaluate.scoring import score
from napari_cytosynth.training.task import ScoreOptions
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import read_card, save_model

if TYPE_CHECKING:
    from pathlib import Path

STAINS = ("DNA", "AGP")
PLANES = ("below", "focus", "above")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two fields to test and one to calibrate, of three unlike planes each."""
    rng = np.random.default_rng(0)
    for part, names in (("test", ("f0", "f1")), ("calibration", ("f2",))):
        for name in names:
            for kind in (*PLANES, "fluorescence"):
                (tmp_path / part / kind).mkdir(parents=True, exist_ok=True)
                shape = (2, 48, 56) if kind == "fluorescence" else (48, 56)
                image = rng.integers(100, 900, shape).astype(np.uint16)
                tifffile.imwrite(tmp_path / part / kind / f"{name}.tif", image)
    return tmp_path


@pytest.fixture
def save(make_stainer, tmp_path: Path):
    def write(name: str, channels: int) -> Path:
        inputs = ["brightfield"] if channels == 1 else [f"z{k}" for k in range(channels)]
        model = make_stainer(
            name=name, input_channels=inputs, pixel_size_um=None, sigma_scale=None, sigma_floor=None
        )
        return save_model(tmp_path / name, model.network, model.card)

    return write


def stained(model: Path, folder: Path, field: str, *planes: str) -> np.ndarray:
    image = np.stack([tifffile.imread(folder / "test" / p / f"{field}.tif") for p in planes])
    return stain(image, load_model(model), samples=0, axes="CYX").mean


def run(folder: Path, *models: Path, samples: int = 0):
    stainers = [Stainer(load_model(model), samples) for model in models]
    count = channels_per_file(stainers, 3)
    apart = any(stainer.channels == count for stainer in stainers)
    fields = find_stain_fields(folder, PLANES, "fluorescence", ["test"], apart=apart)
    reader = FieldReader(STAINS, count)
    return evaluate_stain(stainers, fields, reader, StainOptions(segmenter=None))


def real(folder: Path, field: str) -> np.ndarray:
    return tifffile.imread(folder / "test" / "fluorescence" / f"{field}.tif").astype(np.float32)


def correlation(virtual: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(virtual.ravel(), truth.ravel())[0, 1])


def test_a_model_of_one_channel_is_measured_at_every_plane(save, folder: Path) -> None:
    model = save("any", 1)
    report = run(folder, model)
    named = [f"{field} ({plane})" for field in ("f0", "f1") for plane in PLANES]
    assert list(dict.fromkeys(report.table["image"])) == named
    table = report.table.set_index(["image", "stain"])
    for field in ("f0", "f1"):
        for plane in PLANES:
            row = table.loc[f"{field} ({plane})", "DNA"]
            assert row["plane"] == plane
            virtual = stained(model, folder, field, plane)
            expected = correlation(virtual[0], real(folder, field)[0])
            assert row["PCC"] == pytest.approx(expected, abs=1e-5)
    planes = report.planes().set_index(["stain", "plane"])
    assert len(planes) == 6
    both = [table.loc[f"{field} (focus)", "AGP"]["PCC"] for field in ("f0", "f1")]
    assert planes.loc["AGP", "focus"]["PCC"] == pytest.approx(np.mean(both))


def test_of_a_model_of_as_many_channels_the_planes_are_its_channels(save, folder: Path) -> None:
    model = save("stack", 3)
    report = run(folder, model)
    assert list(dict.fromkeys(report.table["image"])) == ["f0", "f1"]
    assert "plane" not in report.table
    assert report.planes().empty
    virtual = stained(model, folder, "f1", *PLANES)
    row = report.table.set_index(["image", "stain"]).loc["f1", "DNA"]
    expected = correlation(virtual[0], real(folder, "f1")[0])
    assert row["PCC"] == pytest.approx(expected, abs=1e-5)
    turned = correlation(stained(model, folder, "f1", *PLANES[::-1])[0], real(folder, "f1")[0])
    assert abs(turned - expected) > 1e-3  # the order counts


def test_both_kinds_stand_side_by_side(save, folder: Path) -> None:
    one, three = save("any", 1), save("stack", 3)
    report = run(folder, one, three)
    alone = run(folder, three).table.set_index(["image", "stain"])
    table = report.table.set_index(["model", "image", "stain"])
    for plane in PLANES:  # the stack is the same at each plane
        both = table.loc["stack", f"f0 ({plane})", "DNA"]["PCC"]
        assert both == pytest.approx(alone.loc["f0", "DNA"]["PCC"], abs=1e-6)
    figures = report.comparison().set_index(["stain", "figure"])
    expected = run(folder, three).comparison().set_index(["stain", "figure"])
    name = ("DNA", "PCC, mean per image")
    assert figures.loc[name, "stack"] == pytest.approx(expected.loc[name, "stack"], abs=1e-6)
    assert figures.loc[name, "any"] != pytest.approx(figures.loc[name, "stack"], abs=1e-4)


def test_the_command_names_the_planes_and_repeats_itself(
    save, folder: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out"
    words = ["evaluate", "stain", str(save("any", 1)), "--data-dir", str(folder), "--part", "test"]
    words += ["--inputs", *PLANES, "--samples", "0", "--segmenter", "none", "--out", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "PCC at each focal plane" in said
    assert "f0 (below)" in said or "f1 (" in said
    table = pd.read_csv(out / "table.csv")
    assert sorted(table["plane"].unique()) == sorted(PLANES)
    assert set(pd.read_csv(out / "planes.csv")["plane"]) == set(PLANES)
    record = json.loads((out / "metrics.json").read_text())
    assert "--inputs below focus above" in record["command"]
    assert len(record["planes"]) == 6
    assert "f1 (above)" in record["images"]
    assert main([*words, "--out", str(tmp_path / "two"), "--inputs", "focus"]) == 0
    assert "each focal plane" not in capsys.readouterr().out
    assert not (tmp_path / "two" / "planes.csv").exists()


@pytest.mark.parametrize(("channels", "count"), [(1, 3), (3, 1)])
def test_calibration_is_fitted_on_the_same_fields(save, folder: Path, channels, count) -> None:
    model = save("model", channels)
    stainer = Stainer(load_model(model), 4)
    fields = find_stain_fields(folder, PLANES, "fluorescence", ["calibration"], apart=channels == 1)
    assert len(fields) == count
    seen = []

    def heard(done: int, total: int, message: str) -> None:
        seen.append(message)

    found = calibrate([(stainer, fields)], FieldReader(STAINS), progress=heard).uncertainty
    assert len(found.stains) == 2
    assert sum("Calibrating on" in message for message in seen) == count
    words = ["evaluate", "stain", str(model), "--calibrate", "--data-dir", str(folder)]
    words += ["--inputs", *PLANES, "--samples", "4", "--part", "calibration"]
    words += ["--segmenter", "none"]  # the doubt of nuclei is calibrated in other tests
    assert main(words) == 0
    assert read_card(model).inference.uncertainty == found
    assert main([*words, "--fold", f"{model}=f2"]) == 0
    assert read_card(model).inference.uncertainty == found


def test_what_does_not_fit_is_named(save, folder: Path, capsys) -> None:
    stainers = [Stainer(load_model(save("two", 2)), 0)]
    with pytest.raises(InputError, match=r"“two” takes 2 channels.*one of 3 channels all together"):
        channels_per_file(stainers, 3)
    assert channels_per_file(stainers, 3, (0, 1)) == 2
    assert channels_per_file(stainers, 1) == 2
    with pytest.raises(InputError, match="named twice: focus, focus"):
        find_stain_fields(folder, ["focus", "focus"], "fluorescence", ["test"])
    (folder / "test" / "above" / "f1.tif").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images have no image .*above”.*“f1”"):
        find_stain_fields(folder, PLANES, "fluorescence", ["test"])


@pytest.mark.parametrize("planes", ["any", "stack"])
def test_studies_score_as_the_recipe_says(make_stain_recipe, save, folder: Path, planes) -> None:
    channels = {"input_channels": ["z-", "z0", "z+"]} if planes == "stack" else {}
    split = {"kind": "folders", "train": ["calibration"], "validation": ["test"]}
    data = {"inputs": list(PLANES), "planes": planes, "split": split} | channels
    recipe = make_stain_recipe(data=make_stain_recipe().data.model_dump() | data)
    model = save("model", 3 if planes == "stack" else 1)
    found = score(recipe, model, folder, ScoreOptions(part="validation"))
    assert found.images == 2
    expected = run(folder, model).comparison().set_index(["stain", "figure"])
    for name in ("PCC", "PCC, mean per image", "MAE"):
        for stain_name in STAINS:
            figure = expected.loc[(stain_name, name)].iloc[0]
            assert found.figures[f"{stain_name}: {name}"] == pytest.approx(figure, rel=1e-4)
