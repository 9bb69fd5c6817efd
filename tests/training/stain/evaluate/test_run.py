from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.stain.task import stain
from napari_cytosynth.training.stain.calibrate.calibration import calibrate, calibrate_card
from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, find_stain_fields
from napari_cytosynth.training.stain.evaluate.objects import threshold_objects
from napari_cytosynth.training.stain.evaluate.run import StainOptions, evaluate_stain
from napari_cytosynth.training.stain.evaluate.tally import (
    GRID_PEAK,
    GRID_RATIO,
    ChannelTally,
    Prediction,
    thinned,
)
from napari_cytosynth.zoo.card import Metric, Normalisation, OutputScaling
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import read_card, save_model, update_card

if TYPE_CHECKING:
    from pathlib import Path

STAINS = ("DNA", "AGP")
FOLDERS = ("phase", "fluorescence")


def blobs(seed: int, shape: tuple[int, int] = (48, 56)) -> np.ndarray:
    """Return round bright spots on a dark ground, in [0, 1]."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape)
    for y, x in ((12, 12), (12, 40), (34, 14), (35, 42)):
        seeds[y + rng.integers(-3, 4), x + rng.integers(-3, 4)] = 1
    spots = ndimage.gaussian_filter(seeds, 3.5)
    return spots / spots.max()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three fields in test/, one in calibration/."""
    for part, seeds in (("test", (0, 1, 2)), ("calibration", (3,))):
        for seed in seeds:
            spots = blobs(seed)
            noise = np.random.default_rng(seed).normal(0, 20, (2, *spots.shape))
            stains = np.stack([2000 * spots + 300, 800 * ndimage.gaussian_filter(spots, 2) + 200])
            for name, planes in (("phase", 1000 - 500 * spots), ("fluorescence", stains + noise)):
                (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
                planes = np.clip(planes, 0, None).astype(np.uint16)
                tifffile.imwrite(tmp_path / part / name / f"f{seed}.tif", planes)
    return tmp_path


@pytest.fixture
def save_stainer(make_stainer, tmp_path: Path):
    """Return a function that saves a tiny random stainer without calibration."""

    def save(name: str, *, dropout: float = 0.2, seed: int = 0) -> Path:
        model = make_stainer(
            name=name,
            seed=seed,
            dropout=dropout,
            pixel_size_um=None,
            normalisation=Normalisation(),
            output_scaling=[
                OutputScaling(offset=300, scale=1500),
                OutputScaling(offset=200, scale=600),
            ],
            sigma_scale=None,
            sigma_floor=None,
        )
        return save_model(tmp_path / name, model.network, model.card)

    return save


def perfect(stainer: Stainer, folder: Path) -> None:
    """Let a stainer return the real stains of whatever field it is shown, dimmed by a tenth."""
    real = {}
    for path in folder.glob("*/phase/*.tif"):
        target = path.parents[1] / "fluorescence" / path.name
        real[tifffile.imread(path).tobytes()] = tifffile.imread(target).astype(np.float32)

    def stains(image: np.ndarray) -> dict[str, Prediction]:
        planes = real[image[0].tobytes()] * np.float32(0.9)
        std = [plane / 9 for plane in planes]
        found = zip(STAINS, planes, std, strict=True)
        return {name: Prediction(mean, std, std / 2) for name, mean, std in found}

    stainer.__class__ = type("Perfect", (Stainer,), {"__call__": lambda _, image: stains(image)})


def test_figures_of_a_stain_that_is_a_tenth_too_dim(save_stainer, folder: Path) -> None:
    stainer = Stainer(load_model(save_stainer("dim")))
    perfect(stainer, folder)
    fields = find_stain_fields(folder, "phase", "fluorescence", ["test"])
    report = evaluate_stain([stainer], fields, FieldReader(STAINS), StainOptions(segmenter="otsu"))
    figures = report.models["dim"].figures
    real = np.stack([tifffile.imread(field.target)[0] for field in fields]).astype(float)
    assert figures["DNA"]["PCC"] == pytest.approx(1)
    assert figures["DNA"]["MAE"] == pytest.approx(0.1 * real.mean(), rel=1e-3)
    rmse = 0.1 * np.sqrt((real**2).mean())
    assert figures["DNA"]["NRMSE"] == pytest.approx(rmse / 1500, rel=1e-3)
    assert figures["DNA"]["PSNR"] == pytest.approx(-20 * np.log10(rmse / 1500), abs=0.01)
    # the error is exactly the standard deviation, and twice the calibrated sigma
    assert figures["DNA"]["coverage of 68 %"] == 0
    assert figures["DNA"]["ENCE"] == pytest.approx(1, abs=1e-3)
    assert figures["DNA"]["AUSE of sigma"] == pytest.approx(0, abs=1e-4)
    assert figures["DNA"]["Spearman of error and sigma"] == pytest.approx(1, abs=1e-4)
    assert figures["DNA"][GRID_RATIO] == pytest.approx(0.81, rel=1e-3)
    assert figures["objects"]["F1@0.5"] == 1
    assert figures["objects"]["real objects"] == figures["objects"]["virtual objects"] == 12
    assert figures["objects"]["splits"] == figures["objects"]["count error, mean per image"] == 0
    mean = report.populations().set_index("feature").loc["mean DNA"]
    assert mean["virtual_mean"] == pytest.approx(0.9 * mean["real_mean"], rel=0.02)
    area = report.populations().set_index("feature").loc["area_px"]
    assert area["ks"] <= area["ks_halves"]
    assert report.data_ranges == {"DNA": 1500, "AGP": 600}


def test_the_best_median_and_worst_fields_are_shown(save_stainer, folder: Path) -> None:
    stainers = [Stainer(load_model(save_stainer(name)), 2) for name in ("a", "b")]
    perfect(stainers[0], folder)
    fields = find_stain_fields(folder, "phase", "fluorescence", ["test", "calibration"])
    report = evaluate_stain(stainers, fields, FieldReader(STAINS), StainOptions(segmenter=None))
    scores = report.table.groupby("image")["PCC"].mean().sort_values(ascending=False)
    ranks = {shown.rank: shown.name for shown in report.shown}
    assert (ranks["best"], ranks["worst"]) == (scores.index[0], scores.index[-1])
    assert ranks["median"] in scores.index[1:3]
    np.testing.assert_allclose(
        report.shown[0].real["DNA"],
        tifffile.imread(
            folder / report.shown[0].name.replace("/", "/fluorescence/").__add__(".tif")
        )[0],
    )


def test_a_model_without_dropout_is_measured_without_uncertainty(
    save_stainer, folder: Path
) -> None:
    stainer = Stainer(load_model(save_stainer("plain", dropout=0)))
    fields = find_stain_fields(folder, "phase", "fluorescence", ["test"])
    reader = FieldReader(STAINS)
    report = evaluate_stain([stainer], fields, reader, StainOptions(segmenter=None))
    figures = report.models["plain"].figures["AGP"]
    assert "coverage of 68 %" not in figures
    assert "AUSE of predicted intensity" in figures
    found = calibrate([(stainer, fields)], reader).uncertainty
    assert [list(one.spreads) for one in found.stains] == [[], []]  # the brightness is enough


def test_pooled_correlation_is_that_of_all_pixels() -> None:
    rng = np.random.default_rng(1)
    real = rng.normal(5000, 300, (2, 32, 32)).astype(np.float32)
    mean = (real + rng.normal(0, 200, real.shape)).astype(np.float32)
    mean[1] += 500
    tally = ChannelTally(1000.0, 2)
    for true, pred in zip(real, mean, strict=True):
        tally.add(true, Prediction(pred))
    found = tally.metrics()
    assert found["PCC"] == pytest.approx(np.corrcoef(real.ravel(), mean.ravel())[0, 1], abs=1e-6)
    assert found["PCC, mean per image"] > found["PCC"]
    assert found["MAE"] == pytest.approx(np.abs(real - mean).mean(), rel=1e-5)


def _traces(pattern: float, shape: tuple[int, int] = (96, 128)) -> dict[str, float]:
    """Return the figures of two stains, of which the second has a checkerboard."""
    tally = ChannelTally(2000.0, 2)
    checkerboard = (-1.0) ** np.indices(shape).sum(axis=0)
    for seed, height in enumerate((0.0, pattern)):
        rng = np.random.default_rng(seed)
        real = (2000 * blobs(seed, shape) + rng.normal(0, 5, shape)).astype(np.float32)
        tally.add(real, Prediction((real + height * checkerboard).astype(np.float32)))
    return tally.metrics()


def test_a_checkerboard_in_one_of_two_fields_shows_in_the_figures_of_both() -> None:
    clean, spoiled = _traces(0), _traces(40)
    assert clean[GRID_RATIO] == 1
    assert spoiled[GRID_RATIO] > 20
    assert spoiled[GRID_PEAK] > 5 * clean[GRID_PEAK]
    # nothing else shows it
    assert spoiled["PCC"] > 0.99


def test_fields_too_small_for_a_spectrum_have_the_other_figures() -> None:
    assert GRID_RATIO in _traces(40, (48, 56))
    tally = ChannelTally(1000.0, 1)
    plane = np.random.default_rng(0).normal(500, 50, (20, 90)).astype(np.float32)
    tally.add(plane, Prediction(plane))
    assert not {GRID_RATIO, GRID_PEAK} & set(tally.metrics())
    assert tally.metrics()["PCC"] == pytest.approx(1)


@pytest.mark.parametrize("limit", [200, 1000, 10_000])
def test_kept_pixels_come_from_all_places_of_a_montage(limit: int) -> None:
    column = np.tile(np.arange(40), (400, 10))  # 10 × 10 cells of 40 px
    kept = thinned(column, limit)
    assert 0 < kept.size <= limit
    assert len(np.unique(kept)) == 40
    assert kept.mean() == pytest.approx(column.mean(), rel=0.05)


def test_touching_spots_are_told_apart_without_a_network() -> None:
    y, x = np.mgrid[:40, :60]
    discs = [(y - 20) ** 2 + (x - c) ** 2 < 81 for c in (20, 36)]
    labels = threshold_objects(1000.0 * (discs[0] | discs[1]))
    assert labels.max() == 2
    assert labels[20, 15] != labels[20, 41]
    assert not threshold_objects(np.ones((20, 20))).any()


def test_calibration_is_pooled_over_folds_and_written(save_stainer, folder: Path) -> None:
    path = save_stainer("a")
    reader = FieldReader(STAINS)
    folds = [
        (Stainer(load_model(path), 4), find_stain_fields(folder, "phase", "fluorescence", [part]))
        for part in ("test", "calibration")
    ]
    found = calibrate_card(path, folds, reader)
    inference = read_card(path).inference
    assert inference.sigma_scale is None
    assert inference.uncertainty == found.uncertainty
    assert (inference.uncertainty.fields, inference.uncertainty.samples) == (4, 0)
    # every field is judged by curves that were fitted on the others
    assert set(found.judged["stain"]) == {"DNA", "AGP"}
    assert found.judged["field"].nunique() == 4
    mean = found.summary().set_index(["stain", "rival"])
    for name in STAINS:
        of_curve = abs(mean.loc[(name, "brightness"), "coverage of 68 %"] - 0.68)
        assert of_curve < abs(mean.loc[(name, "samples alone"), "coverage of 68 %"] - 0.68)
    # the card's sigma, in the stain's own units, is used from now on
    stainer = Stainer(load_model(path), 4)
    found = stainer(reader.image(folds[0][1][0]))["AGP"]
    curve = inference.uncertainty.stains[1]
    level = (found.mean - inference.output_scaling[1].offset) / 600
    expected = 600 * np.interp(level, curve.levels, curve.errors)
    np.testing.assert_allclose(found.sigma, expected, rtol=1e-4)


def test_the_measured_sigma_is_the_one_that_users_get(save_stainer, folder: Path) -> None:
    path = save_stainer("a")
    card = read_card(path)
    # as a converted network that ends in a tanh
    changes = {"output_range": (-1.0, 1.0), "output_scaling": []}
    inference = card.inference.model_copy(update=changes)
    metrics = [
        Metric(name=f"DNA: {name}", value=0.5, dataset="blobs", command="")
        for name in ("PCC", "coverage of 68 %")
    ]
    update_card(path, card.model_copy(update={"inference": inference, "metrics": metrics}))
    reader, fields = FieldReader(STAINS), find_stain_fields(folder / "test", *FOLDERS)
    calibrate_card(path, [(Stainer(load_model(path), 4), fields)], reader)
    assert [metric.name for metric in read_card(path).metrics] == ["DNA: PCC"]
    model, image = load_model(path), reader.image(fields[0])
    measured = Stainer(model, 4)(image)["AGP"].sigma
    assert Stainer(model).ranges == {"DNA": 2, "AGP": 2}
    used = stain(image, model, axes="CYX", samples=4)
    np.testing.assert_allclose(measured, used.std[1], rtol=1e-5)


def test_the_command_writes_a_table_side_by_side(
    save_stainer, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [str(save_stainer(name, seed=k)) for k, name in enumerate(("one", "two"))]
    data = ["--data-dir", str(folder)]
    common = ["--samples", "3", "--device", "cpu"]
    assert (
        main(
            ["evaluate", "stain", models[0], *data, "--part", "calibration", *common, "--calibrate"]
        )
        == 0
    )
    assert read_card(models[0]).inference.uncertainty is not None
    out = tmp_path / "out"
    assert (
        main(
            [
                "evaluate",
                "stain",
                *models,
                *data,
                "--part",
                "test",
                *common,
                "--out",
                str(out),
                "--segmenter",
                "otsu",
                "--update-card",
                "blobs, test",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "one: 1 view, 3 samples, calibrated" in printed
    assert "two: 1 view, 3 samples, not calibrated" in printed
    comparison = pd.read_csv(out / "comparison.csv")
    assert list(comparison) == ["stain", "figure", "one", "two"]
    assert {"DNA", "AGP", "objects"} == set(comparison["stain"])
    assert len(pd.read_csv(out / "table.csv")) == 3 * 2 * 2
    summary = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert summary["data_range"] == {"DNA": 1500, "AGP": 600}
    assert summary["command"].startswith("cytosynth evaluate stain one two --data-dir ")
    assert "--part test" in summary["command"]
    pages = {path.name.split("-")[0] for path in out.glob("*.png")}
    assert pages == {"field", "overview.png", "uncertainty.png", "populations.png"}
    assert len(list(out.glob("field-*.png"))) == 3
    assert (out / "figures.pdf").stat().st_size > 1000
    metrics = {metric.name: metric for metric in read_card(models[1]).metrics}
    assert metrics["DNA: PCC"].dataset == "blobs, test"
    assert metrics[f"AGP: {GRID_RATIO}"].value > 0
    assert f"AGP: {GRID_PEAK}" in metrics
    assert {GRID_RATIO, GRID_PEAK} < set(comparison["figure"])
    assert GRID_PEAK in summary["models"]["one"]["figures"]["DNA"]
    assert metrics["DNA: PCC"].command.startswith("cytosynth evaluate stain two --data-dir")


def test_what_cannot_be_evaluated_is_named(save_stainer, folder: Path, tiny_model) -> None:
    fields = find_stain_fields(folder, "phase", "fluorescence", ["test"])
    stainer = Stainer(load_model(save_stainer("a")))
    with pytest.raises(InputError, match="made to segment"):
        Stainer(tiny_model)
    with pytest.raises(InputError, match="no channel called AGP"):
        evaluate_stain([stainer], fields, FieldReader(("DNA", "ER")))
    options = StainOptions(segmenter="otsu", object_stain="Mito")
    with pytest.raises(InputError, match="No model predicts “Mito”"):
        evaluate_stain([stainer], fields, FieldReader(STAINS), options)
    with pytest.raises(InputError, match="at least one model"):
        evaluate_stain([], fields, FieldReader(STAINS))
    (folder / "test" / "fluorescence" / "f1.tif").unlink()
    with pytest.raises(InputError, match="f1"):
        find_stain_fields(folder, "phase", "fluorescence", ["test"])


def test_an_excluded_stain_of_a_field_counts_nowhere(
    save_stainer, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = save_stainer("a"), tmp_path / "out"
    fields = folder / "test" / "fluorescence"
    spoilt = tifffile.imread(fields / "f1.tif")
    spoilt[1] = 60000
    tifffile.imwrite(fields / "f1.tif", spoilt)
    command = ["evaluate", "stain", str(path), "--data-dir", str(folder), "--part", "test"]
    command += ["--samples", "3", "--device", "cpu", "--exclude", "AGP=f1"]
    assert main([*command, "--segmenter", "otsu", "--out", str(out)]) == 0
    table = pd.read_csv(out / "table.csv")
    assert sorted(table["image"] + table["stain"]) == ["f0AGP", "f0DNA", "f1DNA", "f2AGP", "f2DNA"]
    summary = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert summary["models"]["a"]["figures"]["AGP"]["MAE"] < 5000
    assert "--exclude AGP=f1" in summary["command"]
    assert main([*command, "--calibrate", "--segmenter", "none"]) == 0
    curves = read_card(path).inference.uncertainty
    assert max(curves.stains[1].errors) < 50  # in units of the output; the spoilt one: 100
    assert curves.fields == 3
    capsys.readouterr()
    assert main([*command, "--exclude", "ER=f0"]) == 1
    assert "no stain “ER”, only DNA, AGP" in capsys.readouterr().err
