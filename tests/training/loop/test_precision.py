"""Trainings on processors with instructions for bfloat16, and on those without."""

from __future__ import annotations

import json

import pytest
import torch
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.generate import latent as latent_stage
from napari_cytosynth.training.loop import precision
from napari_cytosynth.training.recipe.base import TrainRecipe
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.tasks import load_recipe
from napari_cytosynth.zoo.model_files import read_card


@pytest.fixture
def processor(monkeypatch):
    """Return a function that tells whether the processor is one with bfloat16."""

    def make(*, native):
        monkeypatch.setattr(precision, "_processor_computes_bfloat16", lambda: native)

    make(native=False)
    return make


def recorded(folder):
    return json.loads((folder / "run.json").read_text())["precision"]


def asked(folder):
    return yaml.safe_load((folder / "recipe.yaml").read_text())["train"]["precision"]


@pytest.mark.parametrize(("native", "chosen"), [(False, "float32"), (True, "bfloat16")])
def test_a_training_says_and_records_the_format_that_the_processor_has(
    native, chosen, processor, make_recipe, nuclei_folder, tmp_path, capsys
):
    processor(native=native)
    model = train(make_recipe(max_epochs=1, precision="auto"), nuclei_folder, tmp_path)
    assert f"Training in {chosen} (the hardware has " in capsys.readouterr().out
    assert (recorded(tmp_path), asked(tmp_path)) == (chosen, "auto")
    assert read_card(model).training.hardware.endswith(f"{chosen})")


def test_what_a_recipe_names_is_taken_on_any_processor(
    processor, make_recipe, nuclei_folder, tmp_path, capsys
):
    train(make_recipe(max_epochs=1, precision="bfloat16"), nuclei_folder, tmp_path)
    said = capsys.readouterr().out
    assert "Training in bfloat16 (as the recipe says; this hardware only emulates it" in said
    assert recorded(tmp_path) == "bfloat16"


def test_a_run_goes_on_in_its_format_on_another_processor(
    processor, make_recipe, nuclei_folder, tmp_path, weights_of, capsys
):
    recipe = make_recipe(precision="auto")
    processor(native=True)
    whole = train(recipe, nuclei_folder, tmp_path / "whole")
    train(recipe, nuclei_folder, tmp_path / "run", stop_at_epoch=1)
    processor(native=False)
    resumed = train(recipe, nuclei_folder, tmp_path / "run", resume=True)
    assert "Training in bfloat16 (as the run was begun; " in capsys.readouterr().out
    assert torch.equal(weights_of(resumed), weights_of(whole))


def test_a_run_goes_on_in_another_format_where_told_and_keeps_that(
    processor, make_recipe, nuclei_folder, tmp_path
):
    processor(native=True)
    train(make_recipe(max_epochs=3, precision="auto"), nuclei_folder, tmp_path, stop_at_epoch=1)
    for wanted in ("float32", "auto"):
        again = make_recipe(max_epochs=3, precision=wanted)
        train(again, nuclei_folder, tmp_path, resume=True, stop_at_epoch=2)
        assert (recorded(tmp_path), asked(tmp_path)) == ("float32", wanted)


def test_a_run_of_an_older_version_goes_on_in_the_format_of_its_recipe(
    processor, make_recipe, nuclei_folder, tmp_path
):
    recipe = make_recipe(precision="bfloat16")
    train(recipe, nuclei_folder, tmp_path, stop_at_epoch=1)
    facts = json.loads((tmp_path / "run.json").read_text())
    del facts["precision"]
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RecipeError, match=r"other settings \(train\.precision\)"):
        train(make_recipe(precision="float32"), nuclei_folder, tmp_path, resume=True)
    train(make_recipe(precision="auto"), nuclei_folder, tmp_path, resume=True)
    assert recorded(tmp_path) == "bfloat16"


def test_later_rounds_take_the_format_of_the_first(
    processor, make_recipe, nuclei_folder, tmp_path, monkeypatch
):
    rounds = [{"train.max_epochs": 1}]
    recipe = make_recipe(max_epochs=1, precision="auto").model_copy(update={"rounds": rounds})
    processor(native=True)
    train(recipe, nuclei_folder, tmp_path, stop_at_epoch=1)
    for name in ("last.ckpt", "validation.json"):
        (tmp_path / name).unlink(missing_ok=True)
    processor(native=False)
    train(recipe, nuclei_folder, tmp_path, resume="auto")
    assert recorded(tmp_path / "round-1") == recorded(tmp_path) == "bfloat16"


def test_latents_are_encoded_in_the_format_of_the_training(
    processor, make_generate_recipe, generator_folder, tmp_path, monkeypatch
):
    halves = []
    encoded = latent_stage._encoded

    def watched(*arguments):
        halves.append(arguments[-1])
        return encoded(*arguments)

    monkeypatch.setattr(latent_stage, "_encoded", watched)
    recipe = make_generate_recipe("latent", train={"precision": "auto", "max_epochs": 1})
    first = recipe.autoencoder.train.model_copy(update={"precision": "auto", "max_epochs": 1})
    stage = recipe.autoencoder.model_copy(update={"train": first})
    recipe = recipe.model_copy(update={"autoencoder": stage})
    train(recipe, generator_folder, tmp_path / "without")
    assert recorded(tmp_path / "without") == recorded(tmp_path / "without/autoencoder") == "float32"
    assert halves == [False, False]
    processor(native=True)
    train(recipe, generator_folder, tmp_path / "without", resume=True)  # finished
    train(recipe, generator_folder, tmp_path / "with")
    assert recorded(tmp_path / "with") == recorded(tmp_path / "with/autoencoder") == "bfloat16"
    assert halves == [False, False, True, True]


def test_a_gpu_and_a_processor_are_asked_each_for_itself(processor, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    plan = TrainRecipe(precision="auto")
    assert precision.computes_bfloat16(plan)
    assert not precision.computes_bfloat16(plan.model_copy(update={"accelerator": "cpu"}))
    assert not precision.computes_bfloat16(plan.model_copy(update={"accelerator": "mps"}))


@pytest.mark.parametrize(("features", "native"), [("fp asimd bf16", True), ("fp asimd", False)])
def test_of_arm_processors_some_have_instructions(features, native, monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nFeatures\t: {features}\n")
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(precision, "Path", lambda name: tmp_path / "cpuinfo")
    assert precision.computes_bfloat16(TrainRecipe(accelerator="cpu")) is native


def test_shipped_recipes_run_on_any_processor():
    for name in list_recipes():
        assert load_recipe(name).train.precision in ("auto", "float32")


def test_a_stage_that_an_older_version_began_hands_its_format_on(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda train: False)
    stage = tmp_path / "autoencoder"
    stage.mkdir()
    (stage / "last.ckpt").touch()
    (stage / "recipe.yaml").write_text("train: {precision: bfloat16}\n", encoding="utf-8")
    auto = TrainRecipe(precision="auto")
    assert precision.run_precision(auto, tmp_path / "run", [stage]) == "bfloat16"
    (stage / "run.json").write_text('{"precision": "bfloat16"}', encoding="utf-8")
    assert (
        precision.run_precision(auto, tmp_path / "run", [stage]) == "float32"
    )  # named for it alone
