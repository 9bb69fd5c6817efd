from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from napari_cytosynth.errors import Cancelled, RecipeError
from napari_cytosynth.training.loop.callbacks import Clock
from napari_cytosynth.training.loop.limits import TimeLimit
from napari_cytosynth.training.loop.optimisers import make_schedule
from napari_cytosynth.training.recipe.base import TrainRecipe
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.segment.recipe import SegmentRecipe


def test_a_time_limit_ends_a_run_with_a_validation_and_a_model(
    make_recipe, nuclei_folder, tmp_path
):
    recipe = make_recipe(max_epochs=1000, minutes=0.02)
    calls = []
    folder = train(recipe, nuclei_folder, tmp_path, progress=lambda *call: calls.append(call))
    record = json.loads((tmp_path / "validation.json").read_text())
    assert 0 < record["steps"] < 1000 * 4
    assert record["best_epoch"] >= 0
    assert (folder / "README.md").is_file()
    assert calls[-1][:2] == (1, 1)  # seconds


def test_the_rate_falls_with_the_time_and_the_last_validation_has_its_share():
    clock = SimpleNamespace(now=lambda: clock.seconds, seconds=0.0)
    limit = TimeLimit(1.0, clock)
    rate = make_schedule(TrainRecipe(warmup_steps=0), 10**9, limit.spent)
    rates = []
    for clock.seconds in (0, 30, 59):
        rates.append(rate(1))
    assert rates[0] == pytest.approx(1)
    assert rates[1] == pytest.approx(0.5, abs=0.01)
    limit.reserve = 10.0
    clock.seconds = 50.0
    trainer = SimpleNamespace(should_stop=False)
    limit.on_train_batch_end(trainer, None)
    assert trainer.should_stop
    assert rate(1) == pytest.approx(0.005)


def test_a_clock_that_has_not_begun_stands_still():
    assert Clock().now() == 0


def test_cancelling_stops_a_run_that_goes_on_to_the_same_weights(
    make_recipe, nuclei_folder, tmp_path, weights_of
):
    recipe = make_recipe(max_epochs=3)
    train(recipe, nuclei_folder, tmp_path / "whole", progress=lambda *_: None)
    calls = []

    def cancel(done, total, message):
        calls.append((done, total))
        if done == 6:  # an epoch has four steps
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(recipe, nuclei_folder, tmp_path / "broken", progress=cancel)
    assert calls[-1] == (6, 12)
    assert not (tmp_path / "broken" / "tiny").exists()
    train(recipe, nuclei_folder, tmp_path / "broken", resume="auto", progress=lambda *_: None)
    assert (weights_of(tmp_path / "whole/tiny") == weights_of(tmp_path / "broken/tiny")).all()


def _from(start, recipe, **train_settings):
    tree = recipe.model_dump()
    tree["network"]["start_from"] = str(start)
    tree["train"] |= {"validate_start": True, **train_settings}
    return SegmentRecipe.model_validate(tree)


def test_weights_that_nothing_improves_on_are_kept_and_the_card_says_so(
    make_recipe, nuclei_folder, tmp_path, weights_of
):
    start = train(make_recipe(max_epochs=6), nuclei_folder, tmp_path / "start")
    spoilt = _from(start, make_recipe(max_epochs=1), learning_rate=1.0, ema=0)
    kept = train(spoilt, nuclei_folder, tmp_path / "spoilt")
    assert (weights_of(kept) == weights_of(start)).all()
    record = json.loads((tmp_path / "spoilt" / "validation.json").read_text())
    assert record["best_epoch"] == -1
    assert "the weights are those of that model" in (kept / "README.md").read_text("utf-8")
    better = train(_from(start, make_recipe(max_epochs=3)), nuclei_folder, tmp_path / "better")
    record = json.loads((tmp_path / "better" / "validation.json").read_text())
    assert record["best_epoch"] >= 0
    assert record["best_scores"]["loss"] < record["start_scores"]["loss"]
    assert "before → after: iou" in (better / "README.md").read_text("utf-8")


def test_a_run_that_diverges_is_told_of_though_the_start_was_validated(
    make_recipe, nuclei_folder, tmp_path
):
    start = train(make_recipe(max_epochs=1), nuclei_folder, tmp_path / "start")
    broken = _from(start, make_recipe(max_epochs=1), learning_rate=1e30)
    with pytest.raises(RecipeError, match="training has diverged"):
        train(broken, nuclei_folder, tmp_path / "run")
