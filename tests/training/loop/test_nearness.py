from __future__ import annotations

import torch

from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.zoo.model_files import load_network


def _tuned(recipe, start, folder, out, **changes):
    tree = recipe.model_dump()
    tree["network"]["start_from"] = str(start)
    tree["train"] |= changes
    return train(SegmentRecipe.model_validate(tree), folder, out)


def _distance(one, other):
    states = [dict(load_network(folder)[0].named_parameters()) for folder in (one, other)]
    return sum(float(((states[0][name] - states[1][name]) ** 2).sum()) for name in states[0])


def test_a_penalty_keeps_weights_near_those_of_the_start(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe(max_epochs=2)
    start = train(recipe, nuclei_folder, tmp_path / "start")
    free = _tuned(recipe, start, nuclei_folder, tmp_path / "free")
    kept = _tuned(recipe, start, nuclei_folder, tmp_path / "kept", keep=30.0)
    assert 0 < _distance(kept, start) < 0.5 * _distance(free, start)


def test_a_resumed_run_is_kept_near_the_first_weights_though_their_model_is_gone(
    make_recipe, nuclei_folder, tmp_path, weights_of
):
    start = train(make_recipe(max_epochs=1), nuclei_folder, tmp_path / "start")
    tree = make_recipe(max_epochs=3, keep=30.0).model_dump()
    tree["network"]["start_from"] = str(start)
    recipe = SegmentRecipe.model_validate(tree)
    train(recipe, nuclei_folder, tmp_path / "whole")
    train(recipe, nuclei_folder, tmp_path / "broken", stop_at_epoch=1)
    (start / "model.safetensors").unlink()
    train(recipe, nuclei_folder, tmp_path / "broken", resume=True)
    assert torch.equal(weights_of(tmp_path / "whole/tiny"), weights_of(tmp_path / "broken/tiny"))


def test_frozen_statistics_stay_those_of_the_start(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe(max_epochs=1)
    start = train(recipe, nuclei_folder, tmp_path / "start")
    frozen = _tuned(recipe, start, nuclei_folder, tmp_path / "frozen", freeze_statistics=True)
    free = _tuned(recipe, start, nuclei_folder, tmp_path / "free")
    means = [
        torch.cat([v for k, v in load_network(folder)[0].named_buffers() if "running_mean" in k])
        for folder in (start, frozen, free)
    ]
    assert torch.allclose(means[0], means[1], atol=1e-6)
    assert not torch.allclose(means[0], means[2], atol=1e-4)
