from __future__ import annotations

import json

import pytest
import torch

from napari_cytosynth.training.generate.latent import autoencoder_recipe
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.zoo.model_files import load_network


@pytest.fixture(scope="module")
def run(make_generate_recipe, generator_folder, tmp_path_factory):
    """A whole run: (its folder, the model's folder)."""
    out = tmp_path_factory.mktemp("latent") / "run"
    return out, train(make_generate_recipe("latent"), generator_folder, out)


def test_both_stages_end_in_one_file(run):
    network, card = load_network(run[1])
    assert card.architecture == "LatentDiffusion"
    assert card.inference.generation.family == "latent_diffusion"
    latents = torch.randn(1, 2, 8, 8)
    assert network.decode(network(latents, torch.tensor([5])) + latents).shape == (1, 1, 16, 16)


def test_the_autoencoder_is_the_one_that_was_trained_first(run):
    network, _ = load_network(run[1])
    best = torch.load(run[0] / "autoencoder" / "best.pt", weights_only=True)["average"]
    for key, value in network.autoencoder.state_dict().items():
        torch.testing.assert_close(value, best[key], rtol=1e-3, atol=1e-4)  # stored in half


def test_a_run_killed_in_each_stage_resumes_to_the_weights_of_an_unbroken_one(
    run, make_generate_recipe, generator_folder, tmp_path, weights_of
):
    recipe, first = make_generate_recipe("latent"), tmp_path / "autoencoder"
    train(autoencoder_recipe(recipe), generator_folder, first, stop_at_epoch=1)
    train(recipe, generator_folder, tmp_path, resume=True, stop_at_epoch=1)
    resumed = train(recipe, generator_folder, tmp_path, resume=True)
    assert torch.equal(weights_of(resumed), weights_of(run[1]))


def test_latents_are_scaled_to_a_spread_of_one(run, make_generate_recipe, generator_folder):
    from napari_cytosynth.training.generate.data import GenerateData

    network, _ = load_network(run[1])
    data = GenerateData(autoencoder_recipe(make_generate_recipe("latent")), generator_folder)
    with torch.inference_mode():
        latents = network.encode(torch.from_numpy(data.crops("train", 64).images))
    assert float(latents.std()) == pytest.approx(1, abs=0.01)


def test_a_finished_first_stage_is_not_trained_again(
    run, make_generate_recipe, generator_folder, weights_of
):
    before = (run[0] / "autoencoder" / "best.pt").stat().st_mtime_ns
    again = train(make_generate_recipe("latent"), generator_folder, run[0], resume=True)
    assert (run[0] / "autoencoder" / "best.pt").stat().st_mtime_ns == before
    assert again.is_dir()
    assert json.loads((run[0] / "run.json").read_text())["seed"] == 0
