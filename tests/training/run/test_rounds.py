from __future__ import annotations

import json
import shutil
from datetime import date

import pytest
import tifffile
import torch
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.reports.records import read_record
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.run.recipe_check import check_recipe
from napari_cytosynth.training.run.rounds import earlier_rounds
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.training.study.study import recipe_with
from napari_cytosynth.training.tasks import load_recipe
from napari_cytosynth.zoo.model_files import load_network, read_card


def _weights(folder):
    network, _ = load_network(folder)
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


@pytest.fixture
def in_rounds(make_recipe):
    """Make a recipe of two rounds, of one and of two epochs."""

    def make(**settings):
        tree = make_recipe(max_epochs=2).model_dump()
        first = {"train.max_epochs": 1, "train.learning_rate": 0.02}
        return SegmentRecipe.model_validate({**tree, "rounds": [first], **settings})

    return make


@pytest.fixture
def by_hand(make_recipe, nuclei_folder, tmp_path):
    """Train the same two rounds one after the other."""
    first = make_recipe(max_epochs=1, learning_rate=0.02)
    model = train(first, nuclei_folder, tmp_path / "by-hand-1")
    second = make_recipe(max_epochs=2, seed=first.train.seed + 1000).model_dump()
    second["network"]["start_from"] = str(model)
    return train(SegmentRecipe.model_validate(second), nuclei_folder, tmp_path / "by-hand-2")


def test_rounds_equal_trainings_that_start_from_one_another(
    in_rounds, by_hand, nuclei_folder, tmp_path
):
    out = tmp_path / "run"
    model = train(in_rounds(), nuclei_folder, out)
    assert torch.equal(_weights(model), _weights(by_hand))
    record = json.loads((out / "validation.json").read_text())
    assert record["steps"] == 3 * 4  # epochs of both rounds
    kept = yaml.safe_load((out / "recipe.yaml").read_text())
    assert kept == in_rounds().model_dump(mode="json")  # trains the same again, from nothing


def test_a_run_killed_between_or_within_its_rounds_ends_with_the_same_weights(
    in_rounds, by_hand, nuclei_folder, tmp_path
):
    out = tmp_path / "run"
    train(in_rounds(), nuclei_folder, out, stop_at_epoch=1)
    with pytest.raises(RecipeError, match="holds a run already"):
        train(in_rounds(), nuclei_folder, out)
    model = train(in_rounds(), nuclei_folder, out, resume=True)
    assert torch.equal(_weights(model), _weights(by_hand))
    for name in ("last.ckpt", "validation.json"):
        (out / name).unlink()
    (out / "round-1/tiny/README.md").unlink()  # killed while the first round wrote its model
    model = train(in_rounds(), nuclei_folder, out, resume="auto")
    assert torch.equal(_weights(model), _weights(by_hand))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"train.learning_rate": -1}, "round 2 .*train.learning_rate: .*greater than 0"),
        ({"train.epochs": 3}, "round 2 .*there is no such setting"),
        ({"network.arguments.widths": [4]}, "round 2 .*is the same in all"),
        ({"data": {"images": "other"}}, "round 2 .*“data.images” is the same in all"),
        ({"train.devices": 2}, "round 2 .*is the same in all"),
        ({"card.title": date(2026, 1, 1)}, "round 2 .*is the same in all"),
        ({"train.validate_every": 7}, "round 2 .*No validation would be reached"),
    ],
)
def test_every_round_is_checked_before_the_first_begins(in_rounds, settings, sentence):
    with pytest.raises(RecipeError, match=f"(?s){sentence}"):
        check_recipe(in_rounds(rounds=[{}, settings]))


def test_nested_settings_of_a_round_leave_the_others_as_they_are(in_rounds):
    (first,) = earlier_rounds(in_rounds(rounds=[{"train": {"max_epochs": 3}}]))
    assert first.train == in_rounds().train.model_copy(update={"max_epochs": 3})


def test_a_round_that_was_changed_is_not_taken_for_the_one_that_is_there(
    in_rounds, nuclei_folder, tmp_path
):
    out = tmp_path / "run"
    train(in_rounds(), nuclei_folder, out, stop_at_epoch=1)
    other = in_rounds(rounds=[{"train.max_epochs": 1, "train.learning_rate": 0.5}])
    with pytest.raises(RecipeError, match=r"begun with other settings \(rounds"):
        train(other, nuclei_folder, out, resume=True)
    for name in ("last.ckpt", "recipe.yaml"):  # killed before the last round began
        (out / name).unlink()
    with pytest.raises(RecipeError, match=r"round-1 holds .*other settings \(train.learning_rate"):
        train(other, nuclei_folder, out, resume=True)


def test_a_finished_round_binds_to_its_images_and_settings_without_its_checkpoint(
    in_rounds, nuclei_folder, tmp_path
):
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(nuclei_folder, data)
    train(in_rounds(), data, out, stop_at_epoch=1)
    (out / "last.ckpt").unlink()  # killed when the second round had just begun
    (out / "round-1/last.ckpt").unlink()  # deleted to save space
    other = in_rounds(rounds=[{"train.max_epochs": 1, "train.learning_rate": 0.5}])
    with pytest.raises(RecipeError, match=r"round-1 holds .*other settings \(train.learning_rate"):
        train(other, data, out, resume="auto")
    first = next((data / "image").iterdir())
    tifffile.imwrite(first, tifffile.imread(first) + 1)
    with pytest.raises(RecipeError, match=r"images are not those that the run in .*round-1"):
        train(in_rounds(), data, out, resume="auto")


def test_a_round_that_is_over_is_not_needed_any_more(in_rounds, nuclei_folder, tmp_path):
    recipe = in_rounds(rounds=[{"train.max_epochs": 1}] * 2)
    whole = train(recipe, nuclei_folder, tmp_path / "whole")
    out = tmp_path / "run"
    train(recipe, nuclei_folder, out, stop_at_epoch=1)
    (out / "last.ckpt").unlink()
    shutil.rmtree(out / "round-1")  # deleted to save space
    train(recipe, nuclei_folder, out, resume=True, stop_at_epoch=1)
    shutil.rmtree(out / "round-2")
    model = train(recipe, nuclei_folder, out, resume=True)
    assert not list(out.glob("round-*"))
    assert torch.equal(_weights(model), _weights(whole))
    record = [read_record(folder / "validation.json") for folder in (out, tmp_path / "whole")]
    assert record[0]["steps"] == record[1]["steps"]
    assert read_card(model).training.started_from == ""


def test_the_command_says_how_many_rounds_there_are(in_rounds, nuclei_folder, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(in_rounds().model_dump(mode="json")))
    arguments = [str(recipe), "--data-dir", str(nuclei_folder), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--set", "train.max_epochs=1", "data.crops_per_epoch=4"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("In 2 rounds, each from the weights of the one before;")
    assert f"Model written to {tmp_path / 'run' / 'tiny'}" in said


def test_every_round_draws_other_crops_unless_it_names_a_seed(in_rounds):
    seeds = [each.train.seed for each in earlier_rounds(in_rounds(rounds=[{}, {}]))]
    assert len(set(seeds)) == 2
    named = earlier_rounds(in_rounds(rounds=[{"train.seed": 7}]))
    assert [each.train.seed for each in named] == [7]


def test_fine_tuning_has_one_round_unless_it_asks_for_more():
    tuned = ["network.start_from=nuclei-ddpm"]
    assert not load_recipe("nuclei-ddpm", tuned).rounds
    assert load_recipe("nuclei-ddpm", [*tuned, "rounds=[{}]"]).rounds == [{}]


def test_a_study_trains_in_one_round():
    assert load_recipe("nuclei-ddpm").rounds
    assert not recipe_with("nuclei-ddpm", {}).rounds
    assert recipe_with("nuclei-ddpm", {"rounds": [{}]}).rounds == [{}]
