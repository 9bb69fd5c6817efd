from __future__ import annotations

import pytest

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.training.tasks import load_recipe


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_is_valid(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.card.licence
    assert recipe.card.citations or "simulated" in recipe.card.data_licence


def test_an_override_reaches_an_entry_of_a_list_by_its_number():
    changed = ["data.targets.1.weight=0.7", "data.sources.1.split.use_all=true"]
    recipe = load_recipe("em-mitochondria-unet", changed)
    assert [target.weight for target in recipe.data.targets] == [1.0, 0.7]
    assert [source.split.use_all for source in recipe.data.sources] == [False, True]
    single = load_recipe("em-mitochondria-unet", ["data.sources=[]", "data.split.kind=last"])
    assert not single.data.sources


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.targets.2.weight=1", "does not name a setting"),
        ("data.targets.-1.weight=1", "does not name a setting"),
        ("data.targets.first.weight=1", "does not name a setting"),
        ("data.targets.0=1", "whole entry of a list"),
    ],
)
def test_an_entry_that_is_not_there_is_told(override, says):
    with pytest.raises(RecipeError, match=says):
        load_recipe("em-mitochondria-unet", [override])


def test_an_override_reaches_its_setting():
    recipe = load_recipe(
        "fluo-nuclei-unet", ["train.max_epochs=3", "data.augment.scale=[0.9, 1.1]"]
    )
    assert recipe.train.max_epochs == 3
    assert recipe.data.augment.scale == (0.9, 1.1)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.max_epoch=3", "max_epoch"),
        ("data.crop_size=1", "crop_size"),
        ("train.optimiser=magic", "optimiser"),
        ("train", "key=value"),
        ("data.augment.scale=[1, ", "cannot be read"),
        ("name.x=1", "does not name a setting"),
    ],
)
def test_a_wrong_setting_is_named(override, says):
    with pytest.raises(RecipeError, match=says):
        load_recipe("fluo-nuclei-unet", [override])


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(RecipeError, match="em-mitochondria-unet"):
        load_recipe("no-such-recipe")


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("- a\n- b\n")
    with pytest.raises(RecipeError, match="mapping"):
        load_recipe(str(path))
    path.write_text("a: [1,\n")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.crop=3", "data.crop: there is no such setting"),
        ("data.targets=[{kind: mask}]", "data.targets.0.folder: this setting is missing"),
        ("train=", "train: this should be a block of settings"),
        ("task=paint", "should be segment, stain or generate"),
    ],
)
def test_what_is_wrong_is_said_in_words(override, says):
    with pytest.raises(RecipeError, match=says) as caught:
        load_recipe("fluo-nuclei-unet", [override])
    assert "Extra inputs" not in str(caught.value)


def test_an_unknown_kind_of_generator_lists_those_there_are():
    with pytest.raises(RecipeError, match=r"the kind should be one of .*'diffusion'"):
        load_recipe("nuclei-ddpm", ["objective.kind=magic"])


def test_a_shipped_recipe_under_another_name_claims_none_of_our_data():
    ours = load_recipe("fluo-nuclei-unet").card
    mine = load_recipe("fluo-nuclei-unet", ["name=mine", "card.datasets=[my assay]"]).card
    assert (mine.datasets, mine.licence, mine.data_licence) == (["my assay"], "", "")
    assert mine.citations == []
    assert mine.objects == ours.objects == "nuclei"
