from __future__ import annotations

import pytest

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.study.augmentation.plan import Cell, load_plan
from napari_cytosynth.training.study.study import Study, load_study


def study(**options):
    tree = {"name": "mine", "kind": "augmentation", "recipe": "em-mitochondria-unet"}
    return Study.model_validate(tree | {"options": options})


def test_the_shipped_study_can_be_run():
    plan = load_plan(load_study("synthetic-data"))
    assert plan.options.slices == [2, 5, "all"]
    assert len(plan.study.seeds) >= 3
    assert plan.kinds == ["like", "rare"]
    recipes = [plan.segmenter(arm, 0, ["a"]) for arm in plan.options.arms]
    steps = {(r.train.max_epochs, r.data.crops_per_epoch, r.train.batch_size) for r in recipes}
    assert len(steps) == 1
    assert [recipe.data.augment is None for recipe in recipes] == [True, *[False] * 4]


def test_settings_of_the_generator_can_be_assigned():
    shipped = load_study(
        "synthetic-data",
        ["options.generator_set.train.max_epochs=5", "options.generator_set.data.crop_size=96"],
    )
    recipe = load_plan(shipped).generator(Cell(("a", "b"), 4))
    assert recipe.train.max_epochs == 5
    assert recipe.data.crop_size == 96
    assert recipe.network.arguments["patch"] == 2
    assert recipe.train.seed == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slcies": [2]}, "slcies"),
        ({"slices": [2, 2]}, "named twice"),
        ({"slices": [0]}, "at least one slice"),
        ({"against": "nothing"}, "no arm called"),
        ({"arms": {"a b": {}, "A/B": {}}, "against": "a b"}, "would share a folder"),
        ({"rare": [0.5, 0.1]}, "two shares in order"),
        ({"arms": {"a": {"real": False}}, "against": "a"}, "needs real or synthetic images"),
        ({"generator": "nuclei-ddpm"}, "does not make images with masks"),
        ({"generator": "em-mitochondria-unet"}, "does not make images with masks"),
        ({"generator_set": {"data.condition_on_fraction": False}}, "cannot generate rare objects"),
        ({"generator_set": {"data.parts": {"train": ["train/image"]}}}, "names no test images"),
        ({"generator_set": {"data.crop_size": 64}}, "256 px are larger than"),
        ({"generator_set": {"network.arguments.patch": 7}}, "“generator” cannot be trained"),
        ({"generator_set": {"data.channels": ["a", "b"]}}, "several channels"),
    ],
)
def test_impossible_settings_are_told_before_work_starts(options, said):
    with pytest.raises(RecipeError, match=said):
        load_plan(study(**options))


def test_the_recipe_must_be_a_segmentation():
    wrong = study().model_copy(update={"recipe": "em-pairs-ddpm"})
    with pytest.raises(RecipeError):
        load_plan(wrong)
