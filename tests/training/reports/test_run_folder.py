"""A run goes on only as the one that was begun."""

from __future__ import annotations

import json
import shutil

import pytest
import tifffile
import torch
import yaml

from napari_cytosynth import __version__
from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.loop.processes import hold_lock
from napari_cytosynth.training.reports.records import read_record, replace_metrics
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.run.rounds import spent
from napari_cytosynth.zoo.card import Metric
from napari_cytosynth.zoo.model_files import read_card


@pytest.fixture
def begun(make_recipe, nuclei_folder, tmp_path):
    """A run of two epochs that was interrupted after the first."""
    data = tmp_path / "data"
    shutil.copytree(nuclei_folder, data)
    recipe = make_recipe(max_epochs=2)
    train(recipe, data, tmp_path / "run", stop_at_epoch=1)
    return recipe, data, tmp_path / "run"


def test_the_folder_tells_recipe_versions_seed_and_data(begun):
    recipe, _, out = begun
    assert yaml.safe_load((out / "recipe.yaml").read_text()) == recipe.model_dump(mode="json")
    facts = json.loads((out / "run.json").read_text())
    assert facts["seed"] == recipe.train.seed
    assert facts["torch"] == torch.__version__
    assert facts["napari_cytosynth"] == __version__
    assert len(facts["data_sha256"]) == 64


def changed(recipe, **settings):
    tree = recipe.model_dump()
    for block, own in settings.items():
        tree[block] |= own
    return type(recipe).model_validate(tree)


@pytest.mark.parametrize("resume", [True, "auto"])
def test_other_settings_are_refused_and_named(begun, resume):
    recipe, data, out = begun
    other = changed(recipe, train={"learning_rate": 0.5, "seed": 7})
    kept = (out / "recipe.yaml").read_bytes()
    with pytest.raises(RecipeError, match=r"other settings \(train.learning_rate, train.seed\)"):
        train(other, data, out, resume=resume)
    assert (out / "recipe.yaml").read_bytes() == kept


def test_a_run_that_ended_before_its_first_epoch_binds_to_nothing(begun):
    recipe, data, out = begun
    (out / "last.ckpt").unlink()
    other = changed(recipe, train={"learning_rate": 0.5})
    train(other, data, out)
    assert yaml.safe_load((out / "recipe.yaml").read_text())["train"]["learning_rate"] == 0.5


def test_another_machine_and_another_card_go_on(begun, weights_of, tmp_path):
    recipe, data, out = begun
    whole = train(recipe, data, tmp_path / "whole")
    other = changed(recipe, train={"num_workers": 0}, card={"title": "Mine"})
    assert torch.equal(weights_of(train(other, data, out, resume=True)), weights_of(whole))


def test_other_images_are_refused(begun):
    recipe, data, out = begun
    first = next((data / "image").iterdir())
    tifffile.imwrite(first, tifffile.imread(first) + 1)
    with pytest.raises(RecipeError, match="images are not those"):
        train(recipe, data, out, resume=True)


def test_a_finished_run_whose_checkpoint_was_deleted_is_left_as_it_is(begun):
    recipe, data, out = begun
    model = train(recipe, data, out, resume=True)
    (out / "last.ckpt").unlink()
    with pytest.raises(RecipeError, match="holds a run already"):
        train(recipe, data, out)
    other = changed(recipe, train={"learning_rate": 0.5})
    with pytest.raises(RecipeError, match=r"other settings \(train.learning_rate"):
        train(other, data, out, resume="auto")
    (model / "model.safetensors").write_bytes(b"mark")  # training again would write over it
    assert train(recipe, data, out, resume=True) == model
    assert (model / "model.safetensors").read_bytes() == b"mark"


@pytest.mark.parametrize("broken", ["last.ckpt", "recipe.yaml"])
def test_a_damaged_run_is_told_of_in_a_sentence(begun, broken):
    recipe, data, out = begun
    (out / broken).write_bytes(b"{[")
    with pytest.raises(RecipeError, match=r"choose another --out\."):
        train(recipe, data, out, resume=True)


def test_a_run_that_had_stopped_early_is_left_alone(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe(max_epochs=9, learning_rate=0.5, stop_after=1)
    model = train(recipe, nuclei_folder, tmp_path / "run")
    record = json.loads((tmp_path / "run/validation.json").read_text())
    assert record["steps"] < 9 * 4
    before = (model / "model.safetensors").read_bytes()
    train(recipe, nuclei_folder, tmp_path / "run", resume=True)
    again = json.loads((tmp_path / "run/validation.json").read_text())
    assert again["steps"] == record["steps"]
    assert (model / "model.safetensors").read_bytes() == before


def test_a_finished_run_keeps_what_its_card_was_told_since(begun):
    recipe, data, out = begun
    model = train(recipe, data, out, resume=True)
    figure = Metric(name="IoU", value=0.5, dataset="mine", command="cytosynth evaluate")
    replace_metrics(model, "mine", [figure])
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert train(recipe, data, out, resume="auto") == model
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept


def test_a_run_goes_on_when_its_kind_of_microscopy_is_named_later(begun):
    recipe, data, out = begun
    named = recipe.model_copy(update={"modality": "fluorescence"})
    model = train(named, data, out, resume=True)
    assert read_card(model).inference.modality == "fluorescence"


def test_a_finished_run_takes_over_another_card(begun):
    recipe, data, out = begun
    model = train(recipe, data, out, resume=True)
    figure = Metric(name="IoU", value=0.5, dataset="mine", command="cytosynth evaluate")
    replace_metrics(model, "mine", [figure])
    words = {"title": "Mine", "licence": "mit", "citations": ["me, 2026"], "remarks": "No more."}
    train(changed(recipe, card=words), data, out, resume=True)
    card = read_card(model)
    assert (card.title, card.licence) == ("Mine", "mit")
    assert (card.training.citations, card.training.remarks) == (["me, 2026"], "No more.")
    assert card.metrics == [figure]
    train(recipe, data, out, resume=True)  # and back
    card = read_card(model)
    assert (card.licence, card.training.citations) == (recipe.card.licence, recipe.card.citations)
    with pytest.raises(RecipeError, match=r"finished, with other card\.objects"):
        train(changed(recipe, card={"objects": "cells"}), data, out, resume=True)


def test_the_times_of_rounds_are_added_up(make_recipe, nuclei_folder, tmp_path):
    rounds = [{"train.max_epochs": 1}, {"train.max_epochs": 1}]
    recipe = make_recipe(max_epochs=1).model_copy(update={"rounds": rounds})
    train(recipe, nuclei_folder, tmp_path)
    own = read_record(tmp_path / "validation.json")["steps"] // 3
    assert spent(tmp_path, 3)["steps"] == 2 * own
    shutil.rmtree(tmp_path / "round-2")
    with pytest.raises(RecipeError, match="round-2 is gone"):
        spent(tmp_path, 3)


def test_two_trainings_in_one_folder_are_refused(begun):
    recipe, data, out = begun
    with (
        hold_lock(out / "run.lock", "the first one"),
        pytest.raises(RecipeError, match="Another process trains in"),
    ):
        train(recipe, data, out, resume=True)
    train(recipe, data, out, resume=True)


def test_a_fine_tuning_goes_on_without_the_model_that_it_began_with(begun, tmp_path):
    recipe, data, out = begun
    base = train(recipe, data, out, resume=True)
    mine = changed(recipe, network={"start_from": str(base)}).model_copy(update={"name": "mine"})
    train(mine, data, tmp_path / "tuned", stop_at_epoch=1)
    shutil.rmtree(out)
    tuned = train(mine, data, tmp_path / "tuned", resume=True)
    assert read_card(tuned).training.started_from == recipe.name


def test_a_folder_that_cannot_be_made_is_told_of(make_recipe, nuclei_folder, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/run"):
        with pytest.raises(OutputError, match="cannot be written"):
            train(make_recipe(max_epochs=1), nuclei_folder, out)


def test_a_recipe_in_another_encoding_is_told_of(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_bytes("name: größe".encode("latin-1"))
    assert main([str(tmp_path / "mine.yaml"), "--data-dir", str(tmp_path)]) == 1
    assert "is not a text file in UTF-8" in capsys.readouterr().err


def test_a_whole_block_cannot_be_set(tmp_path, capsys):
    command = ["nuclei-ddpm", "--data-dir", str(tmp_path), "--set", "train={max_epochs: 3}"]
    assert main(command) == 1
    assert "“train” is a block of settings" in capsys.readouterr().err
