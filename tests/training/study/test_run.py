from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from napari_cytosynth.errors import Cancelled, InputError, RecipeError
from napari_cytosynth.training.study import run as study_run
from napari_cytosynth.training.study.study import Study, load_study
from napari_cytosynth.training.study.trials import Store
from napari_cytosynth.training.task import Scores


@pytest.fixture
def make_study(make_generate_recipe, tmp_path):
    """Return a function that makes a study of a tiny VAE, two betas and two seeds."""
    recipe = make_generate_recipe("vae").model_dump(mode="json")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))

    def make(**changes):
        values = {
            "name": "betas",
            "question": "Which beta?",
            "recipe": "tiny.yaml",
            "vary": {"objective.beta": [0.1, 1.0]},
            "seeds": [0, 1],
            "scores": [{"name": "Fréchet distance"}],
            "count": 8,
        }
        path = tmp_path / "betas.yaml"
        path.write_text(yaml.safe_dump(values | changes))
        return load_study(str(path))

    return make


@pytest.fixture
def fast(monkeypatch):
    """Replace training and scoring by what takes no time; record what was trained."""
    runs = SimpleNamespace(trained=[], resumed=[], scored=[], others={"recall": 0.5})
    runs.score = lambda recipe: recipe.objective.beta

    def train(recipe, data_dir, folder, resume=False):
        runs.trained.append((recipe.objective.beta, recipe.train.seed))
        runs.resumed.append(resume)
        sys.stdout.write("a bar of the training\n")
        (folder / "validation.json").write_text('{"seconds": 2.5}')
        (folder / "run.json").write_text('{"data_sha256": "abc"}')
        return folder / recipe.name

    def score(study, recipe, model, data_dir):
        value = runs.score(recipe) + 0.01 * recipe.train.seed
        runs.scored.append((recipe.objective.beta, recipe.train.seed))
        base = {"real images": {"Fréchet distance": 0.01}, "noise": {"Fréchet distance": 9.0}}
        return Scores({"Fréchet distance": value, **runs.others}, base, 8)

    monkeypatch.setattr(study_run, "train", train)
    monkeypatch.setattr(study_run, "score_run", score)
    return runs


def test_every_run_is_done_once_and_recorded(make_study, fast, generator_folder, tmp_path) -> None:
    out, ticks = tmp_path / "out", []
    page = study_run.run_study(
        make_study(), generator_folder, out, progress=lambda *tick: ticks.append(tick)
    )
    table = pd.read_csv(out / "results.csv")
    assert list(table.columns[:5]) == ["beta", "seed", "Fréchet distance", "seconds", "status"]
    assert table["Fréchet distance"].tolist() == pytest.approx([0.1, 0.11, 1.0, 1.01])
    assert table["recall"].tolist() == [0.5] * 4
    assert [tick[:2] for tick in ticks] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert ticks[0][2] == "beta 0.1, seed 0"
    assert (out / "runs/beta-0.1/seed-1/log.txt").read_text() == "a bar of the training\n"
    text = page.read_text("utf-8")
    assert "“0.1” is better than “1”" in text
    assert "Preliminary" not in text
    # once more: nothing is left to do
    study_run.run_study(make_study(), generator_folder, out)
    assert fast.trained == [(0.1, 0), (0.1, 1), (1.0, 0), (1.0, 1)]


def test_a_stopped_study_has_a_page_and_goes_on(make_study, fast, generator_folder, tmp_path):
    out = tmp_path / "out"

    def stop(done, total, message):
        if done:  # a kill would leave this much
            assert len(pd.read_csv(out / "results.csv")) == done
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        study_run.run_study(make_study(), generator_folder, out, progress=stop)
    assert "Preliminary: 3 of 4 runs" in (out / "study.html").read_text("utf-8")
    study_run.run_study(make_study(), generator_folder, out)
    assert fast.trained == [(0.1, 0), (0.1, 1), (1.0, 0), (1.0, 1)]
    assert set(fast.resumed) == {"auto"}  # each from its checkpoint, if it has one
    assert len(pd.read_csv(out / "results.csv")) == 4


def test_a_setting_that_is_called_like_a_figure_keeps_its_own_column(
    make_study, fast, generator_folder, tmp_path
) -> None:
    fast.others = {"precision": 0.5}
    study = make_study(vary={"train.precision": ["float32", "bfloat16"]})
    text = study_run.run_study(study, generator_folder, tmp_path / "out").read_text("utf-8")
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert table["train precision"].tolist() == ["float32"] * 2 + ["bfloat16"] * 2
    assert table["precision"].tolist() == [0.5] * 4
    assert "No significant difference between “float32” and “bfloat16”" in text


def test_a_damaged_record_is_said_in_a_sentence(make_study, fast, generator_folder, tmp_path):
    out = tmp_path / "out"
    study_run.run_study(make_study(), generator_folder, out)
    (out / "runs/beta-1/seed-0/result.json").write_text("")
    with pytest.raises(RecipeError, match=r"result\.json” is damaged: delete it, so"):
        study_run.run_study(make_study(), generator_folder, out)
    (out / "runs/beta-1/seed-0/result.json").unlink()
    study_run.run_study(make_study(), generator_folder, out)
    (out / "study.yaml").write_text("name: [")
    with pytest.raises(RecipeError, match=r"study\.yaml” is damaged"):
        study_run.run_study(make_study(), generator_folder, out)


def test_ctrl_c_in_a_training_stops_the_study(make_study, fast, generator_folder, tmp_path):
    def interrupted(recipe):
        raise KeyboardInterrupt

    fast.score = interrupted
    with pytest.raises(KeyboardInterrupt):
        study_run.run_study(make_study(), generator_folder, tmp_path / "out")
    assert "No run is finished" in (tmp_path / "out/study.html").read_text("utf-8")
    fast.score = lambda recipe: 1.0
    study_run.run_study(make_study(), generator_folder, tmp_path / "out")
    assert len(fast.trained) == 4  # the interrupted one was trained: only its scores were missing


def test_a_run_that_fails_is_told_and_the_others_go_on(
    make_study, fast, generator_folder, tmp_path
) -> None:
    def fail(recipe):
        if recipe.objective.beta == 1.0:
            raise InputError("The images are empty.") if recipe.train.seed else ValueError("odd")
        return 0.1

    fast.score = fail
    page = study_run.run_study(make_study(), generator_folder, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/results.csv")
    assert table["status"].tolist() == ["finished", "finished", "failed", "failed"]
    assert table["message"].tolist()[2:] == ["ValueError: odd", "The images are empty."]
    text = page.read_text("utf-8")
    assert "2 runs failed" in text
    assert "The images are empty." in text
    assert "Traceback" in (tmp_path / "out/runs/beta-1/seed-0/error.txt").read_text()


def test_a_score_that_is_no_number_is_a_failure(make_study, fast, generator_folder, tmp_path):
    fast.score = lambda recipe: float("nan") if recipe.objective.beta == 1.0 else 0.1
    page = study_run.run_study(make_study(), generator_folder, tmp_path / "out")
    assert "the training went astray" in page.read_text("utf-8")


def test_an_arm_that_another_process_works_on_is_left_to_it(
    make_study, fast, generator_folder, tmp_path
) -> None:
    study, out = make_study(), tmp_path / "out"
    other = Store(study, out)
    with other.lease(lambda arm: True) as lease:
        page = study_run.run_study(study, generator_folder, out)
        assert fast.trained == [(1.0, 0), (1.0, 1)]
    assert lease.arm.folder == "beta-0.1"
    assert "Preliminary: 2 of 4 runs" in page.read_text("utf-8")
    study_run.run_study(study, generator_folder, out)
    assert fast.trained == [(1.0, 0), (1.0, 1), (0.1, 0), (0.1, 1)]


def test_more_seeds_go_on_and_other_settings_do_not(make_study, fast, generator_folder, tmp_path):
    out = tmp_path / "out"
    study_run.run_study(make_study(seeds=[0]), generator_folder, out)
    study_run.run_study(make_study(seeds=[0, 1]), generator_folder, out)
    assert fast.trained == [(0.1, 0), (1.0, 0), (0.1, 1), (1.0, 1)]
    with pytest.raises(RecipeError, match=r"other settings \(count\)"):
        study_run.run_study(make_study(count=9), generator_folder, out)


def test_a_recipe_may_be_named_in_another_way_but_not_be_another(
    make_study, fast, generator_folder, tmp_path
):
    out, study = tmp_path / "out", make_study()
    study_run.run_study(study, generator_folder, out)
    again = shutil.copy(study.recipe, tmp_path / "again.yaml")
    study_run.run_study(make_study(recipe=str(again)), generator_folder, out)
    assert len(fast.trained) == 4
    tree = yaml.safe_load(again.read_text()) | {"train": {"batch_size": 3}}
    again.write_text(yaml.safe_dump(tree))
    with pytest.raises(RecipeError, match="has changed since the runs"):
        study_run.run_study(make_study(recipe=str(again)), generator_folder, out)


def test_other_scores_are_measured_from_what_is_trained(
    make_study, fast, generator_folder, tmp_path
) -> None:
    out, scores = tmp_path / "out", [{"name": "kernel distance"}, {"name": "Fréchet distance"}]
    study_run.run_study(make_study(), generator_folder, out)
    fast.others["kernel distance"] = 0.25
    fast.scored.clear()

    def stop(done, total, message):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        study_run.run_study(make_study(scores=scores), generator_folder, out, progress=stop)
    assert "Preliminary: 2 of 4 runs" in (out / "study.html").read_text("utf-8")
    page = study_run.run_study(make_study(scores=scores), generator_folder, out)
    assert len(fast.trained) == len(fast.scored) == 4
    table = pd.read_csv(out / "results.csv")
    assert table["kernel distance"].tolist() == [0.25] * 4
    assert table["Fréchet distance"].tolist() == pytest.approx([0.1, 0.11, 1.0, 1.01])
    assert "kernel distance (less is better)" in page.read_text("utf-8")
    # what was measured along with others needs no measuring
    study_run.run_study(make_study(scores=[{"name": "recall"}]), generator_folder, out)
    assert len(fast.scored) == 4


def test_runs_that_could_not_be_scored_are_scored_by_another_score(
    make_study, fast, generator_folder, tmp_path
) -> None:
    def fail(recipe):
        raise InputError("The images are empty.")

    out = tmp_path / "out"
    working, fast.score = fast.score, fail
    study_run.run_study(make_study(), generator_folder, out)
    study_run.run_study(make_study(), generator_folder, out)
    assert set(pd.read_csv(out / "results.csv")["status"]) == {"failed"}
    fast.score = working
    study_run.run_study(make_study(scores=[{"name": "recall"}]), generator_folder, out)
    assert set(pd.read_csv(out / "results.csv")["status"]) == {"finished"}
    assert len(fast.trained) == 4
    assert not list(out.rglob("error.txt"))


def test_scores_that_were_measured_stay_when_another_cannot_be(
    make_study, fast, generator_folder, tmp_path
) -> None:
    out = tmp_path / "out"
    study_run.run_study(make_study(), generator_folder, out)
    shutil.rmtree(out / "runs/beta-1/seed-1")  # to be trained once more
    fast.score = lambda recipe: 1 / 0
    study_run.run_study(make_study(scores=[{"name": "coverage"}]), generator_folder, out)
    assert set(pd.read_csv(out / "results.csv")["status"]) == {"failed"}
    study_run.run_study(make_study(), generator_folder, out)
    statuses = pd.read_csv(out / "results.csv")["status"].tolist()
    assert statuses == ["finished", "finished", "finished", "failed"]


def test_a_recipe_that_was_edited_since_is_not_mixed_with_the_old_one(
    make_study, fast, generator_folder, tmp_path
) -> None:
    out, file, kept = tmp_path / "out", tmp_path / "tiny.yaml", tmp_path / "out/recipe.yaml"
    study_run.run_study(make_study(seeds=[0]), generator_folder, out)
    recipe = yaml.safe_load(file.read_text())
    recipe["train"]["learning_rate"] = 0.5
    recipe["card"]["title"] = "Nuclei"
    file.write_text(yaml.safe_dump(recipe))
    with pytest.raises(RecipeError, match=r"has changed since .*\(train\.learning_rate\)"):
        study_run.run_study(make_study(), generator_folder, out)
    assert len(fast.trained) == 2
    # folders of older versions hold no recipe: theirs is this one from now on
    kept.unlink()
    study_run.run_study(make_study(seeds=[1, 0]), generator_folder, out)
    assert yaml.safe_load(kept.read_text())["train"]["learning_rate"] == 0.5
    # nor do they know settings that came later
    older = yaml.safe_load(kept.read_text())
    del older["data"]["foreground_level"]
    kept.write_text(yaml.safe_dump(older))
    study_run.run_study(make_study(), generator_folder, out)
    assert len(fast.trained) == 4


def test_a_study_goes_on_with_a_recipe_that_leaves_the_number_format_open(
    make_study, fast, generator_folder, tmp_path
) -> None:
    out, file = tmp_path / "out", tmp_path / "tiny.yaml"
    study_run.run_study(make_study(seeds=[0]), generator_folder, out)
    recipe = yaml.safe_load(file.read_text())
    recipe["train"]["precision"] = "auto"
    file.write_text(yaml.safe_dump(recipe))
    study_run.run_study(make_study(seeds=[0, 1]), generator_folder, out)
    assert len(fast.trained) == 4


def test_what_is_wrong_with_the_data_is_said_before_any_work(make_study, tmp_path) -> None:
    with pytest.raises(RecipeError, match="nowhere"):
        study_run.run_study(make_study(), tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_of_augmentation_is_handed_on(make_study, monkeypatch, tmp_path) -> None:
    from napari_cytosynth.training.study.augmentation import run as augmentation_study

    seen = []
    monkeypatch.setattr(
        augmentation_study, "run", lambda *given, **more: seen.append((given, more))
    )
    study = Study(name="help", kind="augmentation", recipe="em-mitochondria-unet")
    study_run.run_study(study, tmp_path, tmp_path / "out", command="cytosynth study")
    assert seen == [((study, tmp_path, tmp_path / "out", None), {"command": "cytosynth study"})]


def test_a_real_run_resumes_after_its_training_was_cut(
    make_study, generator_folder, tmp_path
) -> None:
    study = make_study(vary={"objective.beta": [0.1]}, seeds=[3])
    study_run.run_study(study, generator_folder, tmp_path / "whole")
    broken, recipe = tmp_path / "broken", study.recipe_of(study.arm(study.grid()[0]), 3)
    folder = broken / "runs/beta-0.1/seed-3"
    study_run.train(recipe, generator_folder, folder, stop_at_epoch=1)
    study_run.run_study(study, generator_folder, broken)
    found = [
        json.loads((out / "runs/beta-0.1/seed-3/result.json").read_text())["figures"]
        for out in (tmp_path / "whole", broken)
    ]
    assert found[0] == found[1]
    assert np.isfinite(found[0]["Fréchet distance"])
