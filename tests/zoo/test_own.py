"""Models in the user's folder of data."""

from __future__ import annotations

import napari_cytosynth as cytosynth
from napari_cytosynth.zoo.model_files import save_model
from napari_cytosynth.zoo.own import own_models_folder


def test_own_models_are_listed_and_broken_ones_left_out(tiny_model, tmp_path, monkeypatch):
    before = cytosynth.list_models()
    monkeypatch.setenv("CYTOSYNTH_HOME", str(tmp_path))
    assert cytosynth.list_models() == before
    save_model(own_models_folder() / "mine", tiny_model.network, tiny_model.card)
    broken = own_models_folder() / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    (own_models_folder() / "notes.txt").write_text("")
    new = [info for info in cytosynth.list_models() if info not in before]
    assert [(info.name, info.path) for info in new] == [("mine", own_models_folder() / "mine")]
