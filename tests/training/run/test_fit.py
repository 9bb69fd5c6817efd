from __future__ import annotations

import csv
import itertools
import json
import signal

import numpy as np
import pytest
import tifffile
import torch
import yaml

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.segment.module import SegmentationModule
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.zoo.model_files import load_network, read_card


def _weights(folder):
    network, _ = load_network(folder)
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def _column(out, name):
    rows = []
    for path in sorted(out.glob("csv/version_*/metrics.csv")):
        rows += csv.DictReader(path.read_text().splitlines())
    return [float(row[name]) for row in rows if row.get(name)]


def test_the_loss_falls_and_the_model_finds_the_nuclei(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe("labels", max_epochs=12, monitor="score")
    folder = train(recipe, nuclei_folder, tmp_path / "run")
    losses = _column(tmp_path / "run", "validation/loss")
    assert losses[-1] < 0.85 * losses[0]
    _, card = load_network(folder)
    assert card.inference.output_channels == ["foreground", "distance"]
    assert card.inference.splitting is not None
    chosen = json.loads((tmp_path / "run" / "validation.json").read_text())
    assert chosen["threshold"] == card.inference.threshold
    assert max(chosen["iou"].values()) > 0.5
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    make_recipe, nuclei_folder, tmp_path
):
    whole = make_recipe(max_epochs=4)
    train(whole, nuclei_folder, tmp_path / "whole")
    train(whole, nuclei_folder, tmp_path / "broken", stop_at_epoch=2)
    torch.manual_seed(99)
    train(whole, nuclei_folder, tmp_path / "broken", resume=True)
    assert torch.equal(_weights(tmp_path / "whole/tiny"), _weights(tmp_path / "broken/tiny"))


def test_the_last_partial_accumulation_is_a_step(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe(max_epochs=1, accumulate=3)
    train(recipe, nuclei_folder, tmp_path / "run")
    # 16 crops in batches of 4 are 4 batches: one step of 3 and one of the last.
    assert json.loads((tmp_path / "run" / "validation.json").read_text())["steps"] == 2


def test_a_run_is_never_overwritten_nor_resumed_from_nothing(make_recipe, nuclei_folder, tmp_path):
    recipe = make_recipe(max_epochs=1)
    with pytest.raises(RecipeError, match="no run to resume"):
        train(recipe, nuclei_folder, tmp_path / "run", resume=True)
    train(recipe, nuclei_folder, tmp_path / "run")
    with pytest.raises(RecipeError, match="holds a run already"):
        train(recipe, nuclei_folder, tmp_path / "run")


def test_the_command_trains_from_a_file(make_recipe, nuclei_folder, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(make_recipe().model_dump(mode="json")))
    arguments = [str(recipe), "--data-dir", str(nuclei_folder), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--set", "train.max_epochs=1", "data.crops_per_epoch=4"]) == 0
    assert "Model written to" in capsys.readouterr().out
    network, _ = load_network(tmp_path / "run" / "tiny")
    image = torch.from_numpy(tifffile.imread(nuclei_folder / "image/00.tif").astype(np.float32))
    assert torch.isfinite(network(image[None, None])).all()


def test_the_command_says_what_is_wrong_in_one_sentence(nuclei_folder, capsys):
    assert main(["no-such-recipe", "--data-dir", str(nuclei_folder)]) == 1
    assert "There is no recipe called" in capsys.readouterr().err


def test_fine_tuning_starts_from_the_weights_of_a_model(make_recipe, nuclei_folder, tmp_path):
    first = train(make_recipe(max_epochs=1), nuclei_folder, tmp_path / "first")
    settings = make_recipe(max_epochs=1).model_dump()
    settings["network"]["start_from"] = str(first)
    tuned = SegmentationModule(SegmentRecipe.model_validate(settings), total_steps=1)
    trained, _ = load_network(first)
    assert torch.equal(tuned.network.head.weight, trained.head.weight)
    settings["network"]["arguments"]["widths"] = [4, 6]
    with pytest.raises(RecipeError, match="do not fit the network of the recipe"):
        SegmentationModule(SegmentRecipe.model_validate(settings), total_steps=1)


def test_the_card_tells_which_model_the_weights_began_with(make_recipe, nuclei_folder, tmp_path):
    tree = make_recipe(max_epochs=1).model_dump()
    tree["card"] |= {"licence": "mit", "datasets": ["first data"], "citations": ["First 2020"]}
    first = train(SegmentRecipe.model_validate(tree), nuclei_folder, tmp_path / "first")
    tree["name"], tree["network"]["start_from"] = "tuned", str(first)
    tree["card"] |= {"datasets": ["my data"], "citations": ["Mine 2026"]}
    tree["rounds"] = [{"train.max_epochs": 1}]
    tuned = train(SegmentRecipe.model_validate(tree), nuclei_folder, tmp_path / "second")
    training = read_card(tuned).training
    assert training.started_from == "tiny; weights: mit; trained on: first data"
    assert training.datasets == ["my data"]
    assert training.citations == ["Mine 2026", "First 2020"]
    readme = (tuned / "README.md").read_text("utf-8")
    assert "**Began with the weights of:** tiny; weights: mit" in readme
    assert "cytosynth train" not in readme  # a recipe of one's own is nobody else's command


@pytest.mark.parametrize("monitor", ["loss", "score"])  # a score of broken weights may be 0
def test_a_run_that_diverged_is_told_of(make_recipe, nuclei_folder, tmp_path, monitor):
    recipe = make_recipe(max_epochs=1, learning_rate=1e30, monitor=monitor)
    with pytest.raises(RecipeError, match="training has diverged"):
        train(recipe, nuclei_folder, tmp_path)
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("pressed", "said"),
    [(6, "Go on from the last whole epoch with the same command and --resume"), (1, "nothing is")],
)
def test_ctrl_c_says_how_to_go_on(
    make_recipe, nuclei_folder, tmp_path, monkeypatch, capsys, pressed, said
):
    step, count = SegmentationModule.training_step, itertools.count(1)

    def interrupted(*args):
        if next(count) == pressed:  # an epoch has four steps
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(SegmentationModule, "training_step", interrupted)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(make_recipe().model_dump(mode="json")))
    command = [str(recipe), "--data-dir", str(nuclei_folder), "--out", str(tmp_path / "run")]
    listens = signal.getsignal(signal.SIGINT)
    assert main(command) == 130
    assert said in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is listens
    assert main([*command, "--auto-resume"]) == 0
