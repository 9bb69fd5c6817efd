from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cytosynth.models import build_network
from napari_cytosynth.training.generate.recipe import GenerateRecipe
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.training.tasks import load_recipe


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in list_recipes()
        if isinstance(load_recipe(name), GenerateRecipe) and not name.endswith("-full")
    ],
)
def test_every_shipped_recipe_builds_its_network(name):
    recipe = load_recipe(name)
    network = build_network(recipe.network.architecture, recipe.network_arguments)
    assert network.channels == len(recipe.output_channels)


def test_a_conditional_model_is_told_its_classes_and_an_unconditional_one_is_not():
    both = load_recipe("histology-ddpm")
    assert both.derived_arguments["classes"] == 2
    alone = load_recipe("histology-ddpm", ["data.conditional=false"])
    assert alone.derived_arguments["classes"] == 0


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("vae", {"network": {"architecture": "WGAN"}}, "trains BetaVAE"),
        ("latent", {"network": {"architecture": "DiffusionUNet"}}, "needs the block autoencoder"),
        ("gan", {"train": {"scheduler": "plateau"}}, "no plateau"),
        ("diffusion", {"data": {"kind": "classes"}}, "names of the classes"),
        ("diffusion", {"data": {"condition_on_fraction": True}}, "needs a mask"),
        ("diffusion", {"data": {"low": 99.9}}, "low must lie below high"),
        (
            "diffusion",
            {"objective": {"zero_terminal_snr": True, "prediction": "epsilon"}},
            "nothing is learned",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    make_generate_recipe, family, changes, message
):
    with pytest.raises(ValidationError, match=message):
        make_generate_recipe(family, **changes)
