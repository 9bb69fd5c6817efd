from __future__ import annotations

import json
import shutil

import pytest

from napari_cytosynth.training.check.check import check_data
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.segment.kept_settings import KEPT, settings_record
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm, Expected
from napari_cytosynth.zoo.model_files import read_card, update_card
from napari_cytosynth.zoo.model_page import render_readme

# as no choice on these images would come out
CHOSEN = {
    "threshold": 0.37,
    "min_size": 3,
    "confidence": Confidence(intercept=0.5, probability=ConfidenceTerm(weight=2.5)),
    "expected": Expected(foreground=(0.1, 0.2, 0.3)),
}


@pytest.fixture
def recipe_of(make_recipe):
    """Make a recipe of flows, with or without its validation images among the training's."""

    def make(start=None, *, use_all=False, decoder="flows", epochs=1, **card):
        tree = make_recipe("labels", max_epochs=epochs).model_dump()
        tree["data"]["targets"][0]["decoder"] = decoder
        tree["data"]["split"]["use_all"] = use_all
        tree["network"]["start_from"] = None if start is None else str(start)
        tree["card"] |= card
        return SegmentRecipe.model_validate(tree)

    return make


@pytest.fixture
def first(recipe_of, nuclei_folder, tmp_path):
    """Train a model without its validation image, and change what was chosen on it."""
    folder = train(recipe_of(), nuclei_folder, tmp_path / "first")
    _change(folder, **CHOSEN)
    return folder


def _change(folder, **settings):
    card = read_card(folder)
    inference = card.inference.model_copy(update=settings)
    update_card(folder, card.model_copy(update={"inference": inference}))


def _record(recipe, folder):
    data = SegmentationData(recipe, folder)
    data.setup("fit")
    return settings_record(recipe, data)


def test_a_round_on_all_images_keeps_what_was_chosen_without_them(
    recipe_of, first, nuclei_folder, tmp_path, capsys
):
    again = train(recipe_of(first, use_all=True), nuclei_folder, tmp_path / "again")
    before, after = read_card(first).inference, read_card(again).inference
    assert {name: getattr(after, name) for name in KEPT} == {
        name: getattr(before, name) for name in KEPT
    }
    assert (before.settings_from, after.settings_from) == ("validation", "start")
    said = capsys.readouterr().out
    assert "expected results are as for the model that it starts from, “tiny”" in said
    record = json.loads((tmp_path / "again" / "validation.json").read_text())
    assert (record["threshold"], record["settings_from"]) == (0.37, "start")
    assert "its 1 validation image, too (use_all)" in record["settings_note"]
    page = (again / "README.md").read_text("utf-8")
    assert "Threshold (chosen for the model that it began with)" in page
    assert "on images which that one had not trained on; this one may have" in page
    third = train(recipe_of(again, use_all=True), nuclei_folder, tmp_path / "third")
    assert read_card(third).inference.threshold == 0.37


def test_a_round_that_leaves_images_out_chooses_anew(
    recipe_of, first, nuclei_folder, tmp_path, capsys
):
    again = train(recipe_of(first), nuclei_folder, tmp_path / "again")
    after = read_card(again).inference
    assert after.settings_from == "validation"
    assert after.threshold != 0.37
    assert "use_all" not in capsys.readouterr().out
    assert "settings_note" not in json.loads((tmp_path / "again" / "validation.json").read_text())
    page = (again / "README.md").read_text("utf-8")
    assert "Threshold (chosen on validation data)" in page
    assert "began with, on images" not in page


def test_settings_stay_when_the_first_model_is_gone_before_the_run_goes_on(
    recipe_of, first, nuclei_folder, tmp_path
):
    recipe = recipe_of(first, use_all=True, epochs=2)
    train(recipe, nuclei_folder, tmp_path / "again", stop_at_epoch=1)
    shutil.rmtree(first)
    again = train(recipe, nuclei_folder, tmp_path / "again", resume=True)
    assert read_card(again).inference.threshold == 0.37


@pytest.mark.parametrize("decoder", ["flows", "distance"])
def test_without_a_model_to_start_from_the_choice_is_warned_of(
    recipe_of, nuclei_folder, tmp_path, capsys, decoder
):
    recipe = recipe_of(use_all=True, decoder=decoder)
    folder = train(recipe, nuclei_folder, tmp_path / "run")
    said = capsys.readouterr().out
    assert "Warning: This training learns from its 1 validation image, too" in said
    assert "are chosen on images that it has seen" in said
    assert ("confidence" in said) == (decoder == "flows")
    card = read_card(folder)
    assert card.inference.settings_from == "training"
    assert card.inference.threshold is not None
    page = render_readme(card)
    assert "Threshold (chosen on training data)" in page
    assert "images that it was trained on, and may be worse than they look" in page
    # nor does a next round take them for a choice on images that were left out
    record = _record(recipe_of(folder, use_all=True, decoder=decoder), nuclei_folder)
    assert record["settings_from"] == "training"
    assert "chosen on training images as well" in record["settings_note"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"threshold": None}, "it has none"),
        ({"diameter": 60.0}, "its objects are typically 60 px wide, and these"),
        ({"pixel_size_um": 0.5}, "its pixel size is another one"),
        (
            {"output_channels": ["cells", "flow-y", "flow-x"], "object_channel": "cells"},
            "its output channels are others",
        ),
    ],
)
def test_settings_that_would_mean_something_else_are_not_kept(
    recipe_of, first, nuclei_folder, changed, reason
):
    _change(first, **changed)
    record = _record(recipe_of(first, use_all=True), nuclei_folder)
    assert record["settings_from"] == "training"
    assert "kept_settings" not in record
    assert reason in record["settings_note"]


def test_another_decoder_is_another_model(recipe_of, first, nuclei_folder):
    record = _record(recipe_of(first, use_all=True, decoder="distance"), nuclei_folder)
    assert "its output channels are others" in record["settings_note"]


def test_masks_keep_their_threshold(make_recipe, nuclei_folder, tmp_path):
    folder = train(make_recipe(max_epochs=1), nuclei_folder, tmp_path / "first")
    _change(folder, threshold=0.37)
    tree = make_recipe(max_epochs=1).model_dump()
    tree["data"]["split"]["use_all"], tree["network"]["start_from"] = True, str(folder)
    again = train(SegmentRecipe.model_validate(tree), nuclei_folder, tmp_path / "again")
    assert read_card(again).inference.threshold == 0.37
    said = json.loads((tmp_path / "again" / "validation.json").read_text())["settings_note"]
    assert "The threshold is as for the model" in said


def test_the_look_at_the_data_warns_before_hours_are_spent(recipe_of, first, nuclei_folder):
    def warnings(recipe):
        return " ".join(check_data(recipe, nuclei_folder).warnings)

    assert "network.start_from" in warnings(recipe_of(use_all=True))
    assert "start_from" not in warnings(recipe_of(first, use_all=True))
    assert "start_from" not in warnings(recipe_of())
    rounds = recipe_of(use_all=True).model_copy(
        update={"rounds": [{"data.split.use_all": False, "train.max_epochs": 1}]}
    )
    assert "start_from" not in warnings(rounds)


def test_the_last_round_on_all_images_keeps_what_the_round_before_chose(
    recipe_of, nuclei_folder, tmp_path
):
    recipe = recipe_of(use_all=True).model_copy(
        update={"rounds": [{"data.split.use_all": False, "train.max_epochs": 1}]}
    )
    last = read_card(train(recipe, nuclei_folder, tmp_path / "run")).inference
    before = read_card(tmp_path / "run" / "round-1" / recipe.name).inference
    assert before.settings_from == "validation"
    assert last.settings_from == "start"
    assert all(getattr(last, name) == getattr(before, name) for name in KEPT)
