from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.tasks import load_recipe


def test_the_terms_of_the_loss_weigh_alike_by_default(make_stain_recipe):
    tree = make_stain_recipe(adversarial={}).model_dump()
    del tree["loss"]
    loss = type(make_stain_recipe()).model_validate(tree).loss
    assert loss.l1 == loss.ms_ssim == loss.adversarial == loss.feature_matching == 1
    assert loss.r1 == 0


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"adversarial": {}, "network": {"architecture": "UNet"}}, "needs the architecture"),
        ({"adversarial": {}, "train": {"scheduler": "plateau"}}, "no plateau"),
        ({"adversarial": {}, "loss": {"adversarial": 0, "feature_matching": 0}}, "needs the loss"),
        ({"adversarial": {"coarse_share": 0.5, "frozen_share": 0.5}}, "no epochs for both"),
        ({"loss": {"l1": 0, "ms_ssim": 0}}, "l1 or ms_ssim must not be 0"),
        ({"data": {"low": 99, "high": 50}}, "low must lie below high"),
        ({"data": {"pick": [0]}}, "pick needs one index for each of target_channels"),
        ({"data": {"input_pick": [0, 1]}}, "input_pick needs one index"),
        ({"data": {"target_channels": []}}, "target_channels"),
        ({"data": {"inputs": []}}, "at least one folder"),
        ({"data": {"inputs": ["a", "b", "a"]}}, "names a folder twice"),
        ({"data": {"inputs": ["a", "b"], "planes": "stack"}}, "as many input_channels"),
        ({"data": {"between": 1.5}}, "between"),
        ({"loss": {"vgg": 1}}, "vgg"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(make_stain_recipe, changes, complaint):
    with pytest.raises(ValidationError, match=complaint):
        make_stain_recipe(**changes)


def test_the_command_line_names_the_setting(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be used:\n.*no plateau"):
        load_recipe("u2os-brightfield-pix2pixhd", ["train.scheduler=plateau"])


def test_planes_are_channels_together_or_one_after_the_other(make_stain_recipe):
    three = {"inputs": ["a", "b", "c"]}
    any_of = make_stain_recipe(data=three).data
    assert (any_of.planes_at_once, any_of.planes_in_turn, any_of.channels_per_file) == (1, 3, 1)
    stack = {"planes": "stack", "input_channels": ["z-", "z0", "z+"]}
    stacked = make_stain_recipe(data=three | stack)
    data = stacked.data
    assert (data.planes_at_once, data.planes_in_turn, data.channels_per_file) == (3, 1, 1)
    assert stacked.network_arguments["in_channels"] == 3
    twice = {"input_channels": [f"{c}{z}" for z in "abc" for c in ("dic", "phase")]}
    assert make_stain_recipe(data=three | stack | twice).data.channels_per_file == 2
    plain = make_stain_recipe().data
    assert (plain.input_folders, plain.planes_in_turn) == (["phase"], 1)


def test_only_folders_that_are_read_belong_to_a_split(make_stain_recipe):
    split = {"kind": "folders", "train": ["train"], "validation": ["train/a", "val"]}
    assert make_stain_recipe(data={"split": split}).data.split.folders == ["train", "val"]
    assert make_stain_recipe().data.split.folders == [""]


def test_the_recipe_of_three_planes_differs_from_that_of_any_in_planes_steps_and_smoothing():
    trees = [load_recipe(f"u2os-brightfield-{kind}unet").model_dump() for kind in ("", "stack-")]
    for tree in trees:
        del tree["train"]["max_epochs"], tree["train"]["validate_every"]
        del tree["network"]["arguments"]["smooth"]
        for name in ("planes", "between", "input_channels"):
            del tree["data"][name]
        del tree["name"], tree["card"]["title"]
    assert trees[0] == trees[1]
    stack = load_recipe("u2os-brightfield-stack-unet")
    assert stack.data.input_channels == ["z-", "z0", "z+"]
    assert stack.network_arguments["in_channels"] == 3
