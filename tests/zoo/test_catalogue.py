"""What the list of models says when a model on this machine is broken."""

from __future__ import annotations

import shutil

from napari_cytosynth.zoo import catalogue


def test_one_unreadable_bundled_model_does_not_hide_the_others(tmp_path, monkeypatch, caplog):
    names = [model.name for model in catalogue.list_models() if "/" not in model.source]
    weights = tmp_path / "weights"
    shutil.copytree(catalogue._weights_folder(), weights)
    (weights / names[0] / "config.json").write_text("{not json")
    monkeypatch.setattr(catalogue, "_weights_folder", lambda: weights)
    monkeypatch.setattr(catalogue, "_warned", set())
    for _ in range(2):
        listed = [model.name for model in catalogue.list_models() if "/" not in model.source]
        assert listed == names[1:]
    [record] = caplog.records
    assert names[0] in record.getMessage()
