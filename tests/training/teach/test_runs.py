"""Trainings in the user's folder of data: their names, those that wait, kept and discarded."""

from __future__ import annotations

import pytest
from filelock import FileLock

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.training.teach.runs import begin_run, free_name, keep_model, waiting_runs
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    place = tmp_path / "home"
    monkeypatch.setenv("CYTOSYNTH_HOME", str(place))
    return place


def test_names_are_plain_and_no_one_elses(home):
    assert free_name("my nuclei!") == "my-nuclei"
    assert free_name("data") == "data-model"
    assert len(free_name("n" * 300)) < 100
    assert begin_run("mine", "start", None).name == "mine"
    (home / "models" / "mine-2").mkdir(parents=True)
    assert free_name("mine") == "mine-3"


def test_only_what_has_begun_waits(tmp_path):
    first, second = (begin_run("mine", "start", place) for place in (None, tmp_path / "data"))
    assert waiting_runs() == []
    for run in (first, second):
        (run.folder / "recipe.yaml").write_text("")
    (second.folder / "last.ckpt").write_text("")
    assert waiting_runs() == [second]
    assert not second.finished
    (second.folder / "session.json").write_text("[]")  # damaged
    assert waiting_runs() == []
    with FileLock(second.folder / "run.lock"), pytest.raises(OutputError, match="another process"):
        second.discard()
    second.discard()
    assert not second.folder.exists()


def test_a_kept_model_is_listed_and_loaded(tiny_model, home):
    run = begin_run("mine", "start", None)
    with pytest.raises(InputError, match="no longer"):
        keep_model(run, run.folder / "mine")
    model = save_model(run.folder / "mine", tiny_model.network, tiny_model.card)
    place = keep_model(run, model)
    assert place == home / "models" / "mine"
    assert not run.folder.exists()
    (found,) = [info for info in cytosynth.list_models("segment") if info.name == "mine"]
    assert found.source == place.name
    assert cytosynth.load_model(found.source).card.name == "tiny"
    again = begin_run("other", "start", None)
    (home / "models" / "other").mkdir()
    model = save_model(again.folder / "other", tiny_model.network, tiny_model.card)
    with pytest.raises(OutputError, match="already"):
        keep_model(again, model)
    assert model.is_dir()
