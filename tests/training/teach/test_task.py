from __future__ import annotations

import builtins
import errno
import json
import sys

import numpy as np
import pytest
import tifffile
import torch
import yaml
from filelock import FileLock

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import (
    Cancelled,
    CytosynthError,
    InputError,
    ModelError,
    OutputError,
    RecipeError,
)
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.teach.task import fine_tune, prepare, prepare_folder
from napari_cytosynth.zoo.model_files import save_model


def _silent(*_):
    pass


def test_a_few_strokes_make_a_model_that_is_better_on_what_was_held_out(
    beginner, painted, tmp_path
):
    made = fine_tune(beginner, [painted], tmp_path / "my nuclei", steps=120, progress=_silent)
    record = json.loads((made.parent / "validation.json").read_text())
    assert record["best_scores"]["loss"] < record["start_scores"]["loss"]
    model = cytosynth.load_model(made)
    assert model.card.name == "my-nuclei"
    assert model.card.training.datasets == ["image 1 (own annotation)"]
    assert model.card.training.started_from.startswith("tiny")
    assert "held out to validate on" in model.card.training.remarks
    assert "before → after" in model.card.training.remarks
    assert model.card.inference.threshold == cytosynth.load_model(beginner).card.inference.threshold
    image, strokes = painted
    told = []
    for each in (beginner, model):
        found = cytosynth.segment(image, model=each).probability
        told.append(found[strokes > 1].mean() - found[strokes == 1].mean())
    assert told[1] > told[0]


def test_from_scratch_nothing_of_the_model_but_its_form_is_left(beginner, painted, tmp_path):
    arguments = {"from_scratch": True, "steps": 90, "progress": _silent}
    made = fine_tune(beginner, [painted], tmp_path / "fresh", **arguments)
    start = cytosynth.load_model(made.parent / "start")
    given, model = cytosynth.load_model(beginner), cytosynth.load_model(made)
    for name, weights in given.network.state_dict().items():
        if name.endswith("weight") and weights.ndim > 1:
            assert not torch.equal(weights, start.network.state_dict()[name])
    assert start.card.metrics == []
    assert start.card.inference.input_quantiles == {}
    assert "random weights (seed 0)" in model.card.training.started_from
    assert model.card.arguments == given.card.arguments
    assert model.card.inference.pixel_size_um == given.card.inference.pixel_size_um
    settings = yaml.safe_load((made.parent / "recipe.yaml").read_text())["train"]
    assert settings["keep"] == 0
    record = json.loads((made.parent / "validation.json").read_text())
    assert record["best_scores"]["loss"] < record["start_scores"]["loss"]
    again = prepare(beginner, [painted], tmp_path / "again", from_scratch=True, steps=90)
    same = cytosynth.load_model(again.out / "start").network.state_dict()
    assert all(torch.equal(each, same[name]) for name, each in start.network.state_dict().items())


def test_a_folder_teaches_from_scratch_too(make_model, nuclei_folder, tmp_path):
    ready = prepare_folder(make_model(), nuclei_folder, tmp_path / "run", from_scratch=True)
    assert ready.data_dir == nuclei_folder
    assert ready.recipe.network.start_from == str(ready.out / "start")
    assert ready.recipe.train.keep == 0
    assert prepare_folder(make_model(), nuclei_folder, tmp_path / "tuned").recipe.train.keep > 0


def test_channels_and_sizes_that_strokes_tell_nothing_of_stay(mask_model, painted, tmp_path):
    before = mask_model.network.head.weight.detach().clone()
    made = fine_tune(mask_model, [painted], tmp_path / "run", steps=1, progress=_silent)
    inference = cytosynth.load_model(made).card.inference
    assert inference.output_channels == ["foreground", "membrane"]
    assert inference.min_size == 3
    assert inference.threshold == mask_model.card.inference.threshold
    assert torch.equal(mask_model.network.head.weight, before)


def test_of_few_objects_none_is_held_out_and_the_card_says_so(make_model, painted, tmp_path):
    image, strokes = painted
    few = np.where(strokes > 4, 0, strokes)
    made = fine_tune(make_model(), [(image, few)], tmp_path / "few", steps=1, progress=_silent)
    card = cytosynth.load_model(made).card
    assert "Not validated" in card.training.remarks
    assert card.inference.settings_from == "start"
    assert card.inference.threshold == 0.5


def test_the_same_call_goes_on_and_another_one_is_refused(mask_model, painted, tmp_path):
    def cancel(done, total, message):
        if done >= 31:
            raise Cancelled("enough")

    out = tmp_path / "run"
    with pytest.raises(Cancelled):
        fine_tune(mask_model, [painted], out, steps=60, progress=cancel)
    image, strokes = painted
    with pytest.raises(RecipeError, match="images of another training: choose another folder"):
        fine_tune(mask_model, [(image + 1, strokes)], out, steps=60, progress=_silent)
    with pytest.raises(RecipeError, match=r"other settings.*choose another folder"):
        fine_tune(mask_model, [painted], out, steps=90, progress=_silent)
    steps = []
    made = fine_tune(
        mask_model, [painted], out, steps=60, progress=lambda done, *_: steps.append(done)
    )
    assert min(steps) >= 30
    assert fine_tune(mask_model, [painted], out, steps=60, progress=_silent) == made


def test_two_trainings_in_one_folder_are_refused(mask_model, painted, tmp_path):
    out = tmp_path / "run"
    ready = prepare(mask_model, [painted], out, steps=1)
    with FileLock(ready.out / "run.lock"), pytest.raises(RecipeError, match="Another process"):
        fine_tune(mask_model, [painted], out, steps=1, progress=_silent)


def test_the_command_runs_what_was_prepared(mask_model, painted, tmp_path, capsys):
    ready = prepare(mask_model, [painted], tmp_path / "run", steps=1)
    arguments = [str(ready.recipe_file), "--data-dir", str(ready.data_dir)]
    assert main([*arguments, "--check"]) == 0
    assert "to validate" in capsys.readouterr().out
    assert main([*arguments, "--out", str(ready.out), "--auto-resume"]) == 0
    assert (ready.out / "run" / "model.safetensors").is_file()


def test_the_command_fine_tunes_a_model_on_a_folder(make_model, nuclei_folder, tmp_path, capsys):
    model = make_model(example_size=(32, 32))
    start = save_model(tmp_path / "start", model.network, model.card)
    line = ["--from", str(start), "--data-dir", str(nuclei_folder), "--out", str(tmp_path / "run")]
    settings = ["train.max_epochs=1", "data.crops_per_epoch=4", "name=mine"]
    assert main([*line, "--set", *settings]) == 0
    assert "Model written to" in capsys.readouterr().out
    saved = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    assert saved["network"]["start_from"] == str(start)
    assert saved["data"]["split"]["kind"] == "last"
    assert main(["--data-dir", str(nuclei_folder)]) == 1
    assert "with --from a model" in capsys.readouterr().err


def test_the_masks_that_segment_saves_are_read(make_model, painted, tmp_path):
    image, _ = painted
    model = make_model()
    found = cytosynth.segment(image, model=model)
    labels = np.zeros(image.shape, np.int32)
    for number in range(6):
        labels[4:12, 16 * number + 2 : 16 * number + 10] = number + 1
    known = np.zeros(image.shape, np.uint8)
    known[2:14] = 1
    assert found.labels.shape == labels.shape
    ready = prepare(model, [(image, labels, known)], tmp_path / "run", steps=1)
    saved = tifffile.imread(ready.data_dir / "annotated" / "1.tif")
    np.testing.assert_array_equal(saved, known)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"minutes": -1}, "minutes"),
        ({"seed": 0.5}, "seed"),
        ({"sparse": "yes"}, "sparse"),
    ],
)
def test_wrong_arguments_are_named(mask_model, painted, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        fine_tune(mask_model, [painted], tmp_path, **arguments)


def test_models_of_other_kinds_are_refused(make_model, painted, tmp_path):
    two = make_model(input_channels=["a", "b"])
    with pytest.raises(ModelError, match="takes 2 channels"):
        prepare(two, [painted], tmp_path / "run")
    assert not (tmp_path / "run" / "data").exists()


def test_a_full_disk_is_said_and_leaves_no_half_a_folder(
    mask_model, painted, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match="no space left"):
        prepare(mask_model, [painted], tmp_path / "run")
    assert not (tmp_path / "run" / "data").exists()


def test_no_triton_is_imported_beside_the_window(mask_model, painted, tmp_path, monkeypatch):
    seen = []
    monkeypatch.delitem(sys.modules, "triton", raising=False)  # as if it were not imported yet
    monkeypatch.setattr(
        "napari_cytosynth.training.run.fit.train",
        lambda *_, **__: seen.append(sys.modules.get("triton", "to be had")),
    )
    fine_tune(mask_model, [painted], tmp_path / "run", steps=1, progress=_silent)
    assert seen == [None]
    assert "triton" not in sys.modules


def test_without_the_extra_its_install_line_is_given(mask_model, painted, tmp_path, monkeypatch):
    real = builtins.__import__

    def without_lightning(name, *rest):
        if name.partition(".")[0] == "lightning" or name.endswith("run.fit"):
            raise ModuleNotFoundError("No module named 'lightning'", name="lightning")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_lightning)
    with pytest.raises(CytosynthError, match=r'pip install "napari-cytosynth\[train\]"'):
        fine_tune(mask_model, [painted], tmp_path / "run")
