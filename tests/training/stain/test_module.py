from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.stain.data import QUANTILES, StainData
from napari_cytosynth.training.stain.module import RegressionModule
from napari_cytosynth.zoo.model_files import load_network


@pytest.fixture(scope="module")
def recipe(make_stain_recipe):
    return make_stain_recipe(
        train={"max_epochs": 8, "monitor": "score"}, loss={"ms_ssim": 0.5}, data={"unit": "counts"}
    )


@pytest.fixture(scope="module")
def run(recipe, pair_folder, tmp_path_factory):
    """A whole regression run: (its folder, the model's folder)."""
    out = tmp_path_factory.mktemp("regression") / "run"
    return out, train(recipe, pair_folder, out)


def column(out, name):
    rows = []
    for path in sorted(out.glob("csv/version_*/metrics.csv")):
        rows += csv.DictReader(path.read_text().splitlines())
    return [float(row[name]) for row in rows if row.get(name)]


def test_the_loss_falls_and_the_stain_resembles_the_real_one(run):
    out, _ = run
    losses = column(out, "validation/loss")
    assert losses[-1] < 0.8 * losses[0]
    assert column(out, "validation/score")[-1] > 0.5


def test_all_figures_and_panels_are_logged(run, logged):
    out, _ = run
    scalars, images = logged(out)
    terms = {"loss", "l1", "ms_ssim"}
    figures = {"score", "pcc_DNA", "pcc_AGP"}
    expected = {f"train/{t}" for t in terms} | {f"validation/{t}" for t in terms | figures}
    assert expected <= set(scalars)
    assert len(scalars["validation/loss"]) == 8
    assert images == ["validation: input, real, virtual"]
    assert column(out, "validation/pcc_AGP") == pytest.approx(scalars["validation/pcc_AGP"])
    both = (scalars["validation/pcc_DNA"][-1] + scalars["validation/pcc_AGP"][-1]) / 2
    assert scalars["validation/score"][-1] == pytest.approx(both, abs=1e-5)


def test_the_card_says_how_to_run_the_model_and_to_read_its_output(run, recipe, pair_folder):
    _, card = load_network(run[1])
    data = StainData(recipe, pair_folder)
    data.setup("fit")
    record = card.inference
    assert record.task == "stain"
    assert record.activation == "linear"
    assert record.input_channels == ["phase"]
    assert record.output_channels == ["DNA", "AGP"]
    assert record.output_scaling == data.scaling
    assert record.output_unit == "counts"
    assert record.input_quantiles == data.quantiles
    assert tuple(record.input_quantiles) == QUANTILES
    assert record.normalisation == recipe.data.normalisation
    assert record.modality == "phase contrast"
    assert record.dropout == 0.2
    assert record.norm == "batch"
    assert record.sigma_scale is None
    assert record.total_stride == 2
    assert record.receptive_radius > 0


def test_the_exported_model_returns_the_intensities_of_the_stain(run, pair_folder):
    network, card = load_network(run[1])
    image = tifffile.imread(pair_folder / "phase/b2.tif")
    scaled = torch.from_numpy(normalise(image, card.inference.normalisation))
    with torch.inference_mode():
        output = network(scaled[None, None])[0].float().numpy()
    real = tifffile.imread(pair_folder / "fluorescence/b2.tif").astype(float)
    for scaling, virtual, stain in zip(card.inference.output_scaling, output, real, strict=True):
        counts = virtual * scaling.scale + scaling.offset
        # the best constant has 1; 128 crops bring it to two thirds
        error = np.abs(counts - stain).mean() / np.abs(stain - stain.mean()).mean()
        assert error < 0.8


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    make_stain_recipe, pair_folder, tmp_path, weights_of
):
    recipe = make_stain_recipe(train={"max_epochs": 3, "optimiser": "adamw"})
    whole = train(recipe, pair_folder, tmp_path / "whole")
    train(recipe, pair_folder, tmp_path / "broken", stop_at_epoch=1)
    torch.manual_seed(99)  # another process draws other numbers
    broken = train(recipe, pair_folder, tmp_path / "broken", resume=True)
    assert torch.equal(weights_of(whole), weights_of(broken))


def test_the_last_partial_accumulation_is_a_step(make_stain_recipe, pair_folder, tmp_path):
    recipe = make_stain_recipe(train={"max_epochs": 1, "accumulate": 3})
    train(recipe, pair_folder, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "validation.json").read_text())["steps"] == 2


def test_a_field_is_predicted_whole_whatever_its_size(make_stain_recipe):
    module = RegressionModule(make_stain_recipe(), total_steps=1).eval()
    with torch.inference_mode():
        assert module.predict_field(np.zeros((1, 33, 47), np.float32)).shape == (2, 33, 47)


def test_image_losses_carry_their_weights_and_leave_out_what_weighs_nothing(make_stain_recipe):
    real, virtual = torch.zeros(1, 2, 16, 16), torch.full((1, 2, 16, 16), 0.25)
    for loss, expected in (({"l1": 3}, {"l1": 0.75}), ({"l1": 0, "ms_ssim": 1}, {"ms_ssim": None})):
        module = RegressionModule(make_stain_recipe(loss=loss), total_steps=1)
        found = module.image_losses(virtual, real)
        assert set(found) == set(expected)
        if "l1" in found:
            assert found["l1"].item() == pytest.approx(expected["l1"])


def test_crops_that_the_network_cannot_take_are_refused(make_stain_recipe):
    with pytest.raises(RecipeError, match="crop_size must be a multiple of 2"):
        RegressionModule(make_stain_recipe(data={"crop_size": 33}), total_steps=1)
