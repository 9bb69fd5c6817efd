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
        ({"loss": {"vgg": 1}}, "vgg"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(make_stain_recipe, changes, complaint):
    with pytest.raises(ValidationError, match=complaint):
        make_stain_recipe(**changes)


def test_the_command_line_names_the_setting(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be used:\n.*no plateau"):
        load_recipe("u2os-brightfield-pix2pixhd", ["train.scheduler=plateau"])
