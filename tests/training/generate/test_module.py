from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from napari_cytosynth.training.generate.module import DiffusionModule, VaeModule, kl_divergence
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.zoo.model_files import load_network


def column(out, name):
    rows = []
    for path in sorted(out.glob("csv/version_*/metrics.csv")):
        rows += csv.DictReader(path.read_text().splitlines())
    return [float(row[name]) for row in rows if row.get(name)]


def test_the_divergence_of_a_gaussian_is_the_textbook_s():
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, np.log(4.0)]])
    expected = 0.5 + 0.5 * (4 - 1 - np.log(4.0))
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("family", "data"),
    [("diffusion", {"mask": "mask", "condition_on_fraction": True}), ("latent", {})],
    ids=["pairs", "latent"],
)
def test_the_loss_of_pairs_and_of_latents_falls_too(
    family, data, make_generate_recipe, generator_folder, tmp_path
):
    data = data | {"crops_per_epoch": 32}
    recipe = make_generate_recipe(family, train={"max_epochs": 6}, data=data)
    train(recipe, generator_folder, tmp_path / "run")
    losses = column(tmp_path / "run", "validation/loss")
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("family", ["vae", "diffusion"])
def test_the_loss_falls_and_the_file_generates(
    family, make_generate_recipe, generator_folder, tmp_path, logged
):
    recipe = make_generate_recipe(family, train={"max_epochs": 6}, data={"crops_per_epoch": 32})
    folder = train(recipe, generator_folder, tmp_path / "run")
    losses = column(tmp_path / "run", "validation/loss")
    assert losses[-1] < 0.9 * losses[0]
    network, card = load_network(folder)
    assert card.inference.task == "generate"
    assert card.inference.example_size == (16, 16)
    if family == "vae":
        image = network.decode(torch.randn(2, network.latent))
    else:
        image = network(torch.randn(2, 1, 16, 16), torch.tensor([0, 19]))
        assert card.inference.schedule == "cosine"
        assert card.inference.training_steps == 20
    assert image.shape == (2, 1, 16, 16)
    assert "generated" in logged(tmp_path / "run")[1]


@pytest.mark.parametrize("family", ["diffusion", "vae"])
def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(
    family, make_generate_recipe, generator_folder, tmp_path, weights_of
):
    recipe = make_generate_recipe(family)
    whole = train(recipe, generator_folder, tmp_path / "whole")
    train(recipe, generator_folder, tmp_path / "broken", stop_at_epoch=1)
    resumed = train(recipe, generator_folder, tmp_path / "broken", resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_a_rectified_flow_is_an_override(make_generate_recipe, generator_folder, tmp_path):
    recipe = make_generate_recipe(
        "diffusion",
        objective={"prediction": "flow", "weighting": "min_snr"},
        train={"max_epochs": 1},
        data={"crops_per_epoch": 16},
    )
    module = DiffusionModule(recipe, 1)
    time = torch.tensor([0, 9, 19])
    share = (time + 1) / 20
    capped = ((1 - share) / share).square().clamp(1e-8, recipe.objective.min_snr_gamma)
    torch.testing.assert_close(module.weights(time), capped * share**2, rtol=1e-3, atol=1e-6)
    _, card = load_network(train(recipe, generator_folder, tmp_path / "run"))
    known = card.inference
    assert (known.prediction_type, known.schedule) == ("flow", "straight")
    assert known.generation.sampler == "euler"


def test_the_divergence_is_really_optimised(make_generate_recipe, generator_folder, tmp_path):
    spreads = []
    for beta in (0.0, 10.0):
        recipe = make_generate_recipe(
            "vae", objective={"beta": beta, "anneal_share": 0}, train={"max_epochs": 4}
        )
        network, _ = load_network(train(recipe, generator_folder, tmp_path / f"{beta}"))
        images = torch.zeros(4, 1, 16, 16)
        spreads.append(float(kl_divergence(*network.encode(images)).mean()))
    assert spreads[1] < 0.25 * spreads[0]


def test_beta_grows_from_zero_but_judges_by_its_final_value(make_generate_recipe):
    module = VaeModule(make_generate_recipe("vae"), 10)
    module.train()
    assert module.beta() == 0
    module.eval()
    assert module.beta() == 0.01


@pytest.mark.parametrize(
    ("prediction", "noisiest", "cleanest"),
    [("epsilon", 1.0, 0.0), ("v_prediction", 0.0, 0.0), ("sample", 0.0, 5.0)],
)
def test_min_snr_weights_are_the_paper_s(make_generate_recipe, prediction, noisiest, cleanest):
    objective = {"prediction": prediction, "weighting": "min_snr", "steps": 1000}
    module = DiffusionModule(make_generate_recipe("diffusion", objective=objective), 10)
    weights = module.weights(torch.tensor([999, 0]))
    assert float(weights[0]) == pytest.approx(noisiest, abs=1e-3)
    assert float(weights[1]) == pytest.approx(cleanest, abs=0.01)


def test_all_errors_count_alike_without_weighting(make_generate_recipe):
    module = DiffusionModule(make_generate_recipe("diffusion"), 10)
    assert module.weights(torch.tensor([0, 10, 19])).tolist() == [1, 1, 1]


def test_class_and_conditions_are_left_out_as_the_null_class_and_nan(make_generate_recipe):
    changes = {
        "kind": "classes",
        "classes": ["a", "b"],
    }
    module = DiffusionModule(make_generate_recipe("diffusion", data=changes), 10)
    left_out = torch.tensor([True, False])
    label, condition = module._network_conditions(torch.tensor([1, 1]), torch.empty(2, 0), left_out)
    assert label.tolist() == [2, 1]
    assert condition is None


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("scheduler", ["plateau", "constant"])
def test_optimisers_and_schedules_are_a_choice(
    make_generate_recipe, generator_folder, tmp_path, optimiser, scheduler
):
    settings = {"optimiser": optimiser, "scheduler": scheduler, "max_epochs": 1, "accumulate": 2}
    recipe = make_generate_recipe("diffusion", train=settings)
    assert train(recipe, generator_folder, tmp_path / "run").is_dir()
