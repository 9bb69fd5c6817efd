from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from napari_cytosynth.errors import Cancelled, RecipeError
from napari_cytosynth.progress import silent
from napari_cytosynth.training.study.augmentation import data as augmentation_data
from napari_cytosynth.training.study.augmentation import steps as augmentation_steps
from napari_cytosynth.training.study.augmentation.run import run
from napari_cytosynth.training.study.study import Study

_SLOW = pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")


@pytest.fixture(scope="module")
def data_dir(generator_folder, tmp_path_factory):
    """Six images with masks; two more as the test."""
    folder = tmp_path_factory.mktemp("real")
    for part in ("image", "mask"):
        shutil.copytree(generator_folder / part, folder / "train" / part)
        (folder / "test" / part).mkdir(parents=True)
        for name in ("4", "5"):
            shutil.copy(generator_folder / part / f"{name}.tif", folder / "test" / part)
    return folder


@pytest.fixture
def make_study(make_recipe, make_generate_recipe, tmp_path):
    def make(**changes) -> Study:
        generator = make_generate_recipe(
            data={
                "parts": {
                    "train": ["train/image"],
                    "test": ["test/image"],
                    "validation_names": ["4", "5"],
                },
                "mask": "mask",
                "condition_on_fraction": True,
            },
            train={"max_epochs": 1},
        )
        (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(generator.model_dump(mode="json")))
        segmenter = make_recipe(max_epochs=1).model_dump(mode="json")
        (tmp_path / "segmenter.yaml").write_text(yaml.safe_dump(segmenter))
        options = {
            "generator": str(tmp_path / "pairs.yaml"),
            "slices": [2, "all"],
            "images": 6,
            "crops": 12,
            "sampling_steps": 2,
            "device": "cpu",
        } | changes.pop("options", {})
        tree = {
            "name": "tiny",
            "kind": "augmentation",
            "recipe": str(tmp_path / "segmenter.yaml"),
            "set": {"data.crop_size": 16, "data.crops_per_epoch": 8},
            "seeds": [0],
            "options": options,
        }
        return Study.model_validate(tree | changes)

    return make


@pytest.fixture
def quick(monkeypatch):
    """Trainings that write what a training would, and count."""
    trained = []

    def train(recipe, data_dir, out, *, resume=False):
        trained.append((recipe, data_dir, resume))
        found = {"threshold": 0.5, "iou": {"0.50": 0.4}, "steps": 2}
        out.mkdir(parents=True, exist_ok=True)
        (out / "validation.json").write_text(json.dumps(found))
        return out / recipe.name

    def generate(pipeline, cell):
        pairs = pipeline.out / cell.folder / "pairs"
        for number, kind in enumerate(pipeline.plan.kinds):
            names = [f"{kind}-{n}" for n in range(3)]
            planes = [np.full((16, 16), 50 * number + n, np.uint8) for n in range(3)]
            augmentation_data.write_pairs(pairs / kind, names, planes, [p > 50 for p in planes])
        found = {"images": 3, "covered": 0.1, "chance by pixels": 0.5, "chance by features": 0.2}
        return {"kinds": dict.fromkeys(pipeline.plan.kinds, found)}

    class Report:
        metrics = dict.fromkeys(("foreground IoU", "Dice", "precision", "recall"), 0.5)

    monkeypatch.setattr(augmentation_steps, "train", train)
    monkeypatch.setattr(augmentation_steps.AugmentationPipeline, "_generate", generate)
    monkeypatch.setattr(augmentation_steps, "evaluate_segment", lambda *args: Report)
    return trained


def names(folder):
    return sorted(path.stem for path in folder.iterdir())


@_SLOW
def test_the_whole_pipeline_answers_its_question(make_study, data_dir, tmp_path):
    arms = {
        "real": {"augment": False},
        "real + classic": {},
        "real + rare": {"synthetic": "rare"},
        "synthetic only": {"real": False, "synthetic": "like"},
    }
    study = make_study(seeds=[0, 1], options={"slices": [2], "arms": arms})
    page = run(study, data_dir, tmp_path / "out", silent)
    text = page.read_text("utf-8")
    assert "With 2 real slices:" in text
    assert "The generated images" in text
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results["status"]) == ["finished"] * 8
    assert results["IoU"].between(0, 1).all()
    assert set(results.loc[results["arm"] == "synthetic only", "synthetic share"]) == {1.0}
    assert results["steps"].nunique() == 1
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert list(summary["arm"]) == list(arms)
    assert list(summary["n"]) == [2] * 4


def test_finished_pieces_are_not_made_again(make_study, data_dir, tmp_path, quick):
    run(make_study(), data_dir, tmp_path / "out", silent)
    assert len(quick) == 2 * (1 + 5)
    run(make_study(), data_dir, tmp_path / "out", silent)
    assert len(quick) == 12
    run(make_study(seeds=[0, 3]), data_dir, tmp_path / "out", silent)
    assert len(quick) == 12 + 10


def test_a_killed_study_goes_on_where_it_was(make_study, data_dir, tmp_path, quick):
    def kill(done, total, message):
        if done == 6:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run(make_study(), data_dir, tmp_path / "out", kill)
    page = (tmp_path / "out" / "study.html").read_text("utf-8")
    assert "10 of 10 runs are not finished: repeat the command." in page
    before = len(quick)
    run(make_study(), data_dir, tmp_path / "out", silent)
    assert len(quick) == 12
    assert {resume for _, _, resume in quick[before:]} == {"auto"}


def test_no_test_image_is_read_before_the_end(make_study, data_dir, tmp_path, quick, monkeypatch):
    read = []
    plain = augmentation_data.read_fields
    monkeypatch.setattr(
        augmentation_data,
        "read_fields",
        lambda files, *args: read.extend(f.path for f in files) or plain(files, *args),
    )

    def watch(done, total, message):
        if not message.startswith(("test", "Finished")):
            assert not any("test" in path.parts for path in read)
            assert not (tmp_path / "out" / "slices" / "test").exists()

    run(make_study(), data_dir, tmp_path / "out", watch)
    assert sum("test" in path.relative_to(data_dir).parts for path in read) == 2


def test_each_arm_trains_on_what_its_name_says(make_study, data_dir, tmp_path, quick):
    run(make_study(options={"slices": [2]}), data_dir, tmp_path / "out", silent)
    generator, *segmenters = quick
    assert len(names(generator[1] / "train" / "image")) == 2
    counts, augmented = [], []
    for recipe, folder, _ in segmenters:
        every = names(folder / "image")
        assert every == names(folder / "mask")
        parts = [name.split("-")[0] for name in every]
        assert parts.count("validation") == 2
        kinds = {name.split("-")[2] for name in every if name.startswith("synthetic")}
        counts.append((parts.count("real"), kinds))
        augmented.append(recipe.data.augment is not None)
    assert counts == [(2, set()), (2, set()), (2, {"like"}), (2, {"rare"}), (0, {"like"})]
    assert augmented == [False, True, True, True, True]


def test_images_are_repeated_until_the_wanted_share_is_synthetic(
    make_study, data_dir, tmp_path, quick
):
    for share in (0.5, 0.01):
        out = tmp_path / str(share)
        study = make_study(options={"slices": [2], "share": share})
        run(study, data_dir, out, silent)
        found = pd.read_csv(out / "results.csv").set_index("arm")["synthetic share"]
        assert found["real + synthetic"] == pytest.approx(share, rel=0.3)
        assert found["real"] == 0
        assert found["synthetic only"] == 1


def test_fewer_slices_are_among_more():
    every = ["0", "1", "2", "3"]
    orders = [augmentation_data.nested_slices(every, count, draw=5) for count in (1, 2, 4)]
    assert orders[2][:2] == orders[1]
    assert orders[1][:1] == orders[0]
    assert orders[2] != augmentation_data.nested_slices(every, 4, draw=6)
    with pytest.raises(RecipeError, match="4 slices to train on, not 5"):
        augmentation_data.nested_slices(every, 5, 0)


def test_every_seed_may_have_its_own_slices(make_study, data_dir, tmp_path, quick):
    study = make_study(seeds=[0, 1], options={"slices": [2], "fresh_slices": True})
    text = run(study, data_dir, tmp_path / "out", silent).read_text("utf-8")
    assert sum(recipe.task == "generate" for recipe, _, _ in quick) == 2
    assert "Every seed has its own slices" in text


def test_a_piece_that_fails_is_told_and_the_others_go_on(
    make_study, data_dir, tmp_path, quick, monkeypatch
):
    def broken(pipeline, cell):
        raise RecipeError("The disk of images is empty.")

    monkeypatch.setattr(augmentation_steps.AugmentationPipeline, "_generate", broken)
    out = tmp_path / "out"
    text = run(make_study(options={"slices": [2]}), data_dir, out, silent).read_text("utf-8")
    results = pd.read_csv(out / "results.csv").set_index("arm")
    assert results.loc["real", "status"] == "finished"
    assert results.loc["synthetic only", "status"].startswith("failed: The synthetic images")
    assert "3 of 5 runs failed" in text
    assert "The disk of images is empty." in text


@pytest.mark.parametrize(
    ("chance", "gain", "said"),
    [
        (0.001, 0.3, "WARNING: the generated images (like, rare) lie nearer"),
        (0.0, 0.3, "WARNING: the generated images (like, rare) lie nearer"),
        (0.5, 0.3, "Worth using: real + synthetic, real + rare synthetic."),
        (0.5, 0.0, "No gain that would justify using synthetic images."),
    ],
)
def test_synthetic_images_must_help_and_be_no_copies(
    make_study, data_dir, tmp_path, quick, monkeypatch, chance, gain, said
):
    plain = augmentation_steps.AugmentationPipeline._generate

    def generate(pipeline, cell):
        record = plain(pipeline, cell)
        kinds = {
            kind: found | {"chance by pixels": chance} for kind, found in record["kinds"].items()
        }
        return {"kinds": kinds}

    def evaluate(folder, *args):
        seed = int(folder.parent.name[-1])
        high = folder.parent.parent.name.startswith(("real+synthetic", "real+rare"))
        figures = dict.fromkeys(("foreground IoU", "Dice", "precision", "recall"), 0.5)
        figures["foreground IoU"] += 0.01 * seed + gain * high

        class Report:
            metrics = figures

        return Report

    monkeypatch.setattr(augmentation_steps.AugmentationPipeline, "_generate", generate)
    monkeypatch.setattr(augmentation_steps, "evaluate_segment", evaluate)
    study = make_study(seeds=[0, 1, 2], options={"slices": [2]})
    assert said in run(study, data_dir, tmp_path / "out", silent).read_text("utf-8")


def test_a_folder_of_another_study_is_left_alone(make_study, data_dir, tmp_path, quick):
    run(make_study(options={"slices": [2]}), data_dir, tmp_path / "out", silent)
    with pytest.raises(RecipeError, match="other settings: choose another --out"):
        run(make_study(options={"images": 9}), data_dir, tmp_path / "out", silent)


@pytest.fixture
def own_data(data_dir, tmp_path):
    """A copy of the data, to change."""
    return shutil.copytree(data_dir, tmp_path / "own")


def test_an_arm_keeps_its_meaning(make_study, data_dir, tmp_path, quick):
    out, options = tmp_path / "out", {"slices": [2], "against": "plain"}
    run(make_study(options=options | {"arms": {"plain": {}}}), data_dir, out, silent)
    before = len(quick)
    other = options | {"arms": {"plain": {"augment": False}}}
    with pytest.raises(RecipeError, match="“plain” is the name of another arm"):
        run(make_study(options=other), data_dir, out, silent)
    stronger = {"data.augment": {"noise": 0.3}}
    study = make_study(options=options | {"arms": {"plain": {}}})
    with pytest.raises(RecipeError, match="choose another --out"):
        run(study.model_copy(update={"set": study.set | stronger}), data_dir, out, silent)
    assert len(quick) == before
    more = options | {"arms": {"plain": {}, "bare": {"augment": False}}}
    run(make_study(options=more), data_dir, out, silent)
    assert len(quick) == before + 1


def test_other_images_need_another_folder(make_study, own_data, tmp_path, quick):
    out, study = tmp_path / "out", make_study(options={"slices": [2]})
    run(study, own_data, out, silent)
    for part in ("image", "mask"):
        shutil.copy(own_data / "train" / part / "0.tif", own_data / "train" / part / "new.tif")
    with pytest.raises(RecipeError, match="The images are not those"):
        run(study, own_data, out, silent)


def test_what_the_test_lacks_is_said_before_any_training(make_study, own_data, tmp_path, quick):
    (own_data / "test" / "mask" / "4.tif").unlink()
    with pytest.raises(RecipeError, match="has no mask"):
        run(make_study(), own_data, tmp_path / "out", silent)
    study = make_study(options={"generator_set": {"data.parts.test": ["train/image"]}})
    with pytest.raises(RecipeError, match="6 test images are among those to learn from"):
        run(study, own_data, tmp_path / "out", silent)
    assert not quick


def test_one_seed_cannot_tell_whether_synthetic_images_help(make_study, data_dir, tmp_path, quick):
    study = make_study(options={"slices": [2]})
    text = run(study, data_dir, tmp_path / "out", silent).read_text("utf-8")
    assert "Whether synthetic images are worth using is not known yet." in text
    assert "No gain" not in text


def test_settings_spelled_in_blocks_are_those_with_dots(make_study, data_dir, tmp_path, quick):
    out, record = tmp_path / "out", tmp_path / "out" / "settings.json"
    study = make_study(options={"slices": [2], "generator_set": {"train": {"ema": 0.5}}})
    run(study, data_dir, out, silent)
    kept = json.loads(record.read_text())
    assert kept["options"]["generator_set"] == {"train.ema": 0.5}
    before = len(quick)
    dotted = make_study(options={"slices": [2], "generator_set": {"train.ema": 0.5}})
    run(dotted, data_dir, out, silent)
    assert len(quick) == before
