from __future__ import annotations

import pytest
import torch

from napari_cytosynth.training.generate.gan import gradient_penalty
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.zoo.model_files import load_network


def test_a_critic_of_slope_one_is_not_punished():
    real, generated = torch.randn(2, 3, 1, 4, 4)
    share = torch.rand(3)

    def critic(slope):
        return lambda x: slope * x.flatten(1).sum(1) / 4  # 16 pixels: a gradient of norm 1

    assert float(gradient_penalty(critic(1.0), real, generated, share)) == pytest.approx(
        0, abs=1e-9
    )
    assert float(gradient_penalty(critic(3.0), real, generated, share)) == pytest.approx(4)


def test_the_generator_learns_and_can_be_sampled_from_its_file(
    make_generate_recipe, generator_folder, tmp_path, weights_of, logged
):
    settings = {"train": {"max_epochs": 6}, "data": {"crops_per_epoch": 32}}
    recipe = make_generate_recipe("gan", **settings)
    folder = train(recipe, generator_folder, tmp_path / "run")
    network, card = load_network(folder)
    assert card.inference.generation.family == "gan"
    assert network.decode(torch.randn(3, network.latent)).shape == (3, 1, 16, 16)
    scalars, _ = logged(tmp_path / "run")
    assert {"train/wasserstein", "train/penalty", "validation/loss"} <= set(scalars)
    distances = scalars["validation/loss"]  # of generated to real images
    assert min(distances[1:]) < 0.9 * distances[0]


def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(
    make_generate_recipe, generator_folder, tmp_path, weights_of
):
    recipe = make_generate_recipe("gan")
    whole = train(recipe, generator_folder, tmp_path / "whole")
    train(recipe, generator_folder, tmp_path / "broken", stop_at_epoch=1)
    resumed = train(recipe, generator_folder, tmp_path / "broken", resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
