"""The models that come along, and what is said when one of them is broken."""

from __future__ import annotations

import shutil

import pytest

from napari_cytosynth.zoo import bundled, catalogue
from napari_cytosynth.zoo.model_files import read_card
from napari_cytosynth.zoo.model_page import render_readme


def test_one_unreadable_bundled_model_does_not_hide_the_others(tmp_path, monkeypatch, caplog):
    names = [model.name for model in catalogue.list_models() if "/" not in model.source]
    weights = tmp_path / "weights"
    shutil.copytree(bundled.weights_folder(), weights)
    (weights / names[0] / "config.json").write_text("{not json")
    monkeypatch.setattr(bundled, "weights_folder", lambda: weights)
    monkeypatch.setattr(catalogue, "_warned", set())
    for _ in range(2):
        listed = [model.name for model in catalogue.list_models() if "/" not in model.source]
        assert listed == names[1:]
    [record] = caplog.records
    assert names[0] in record.getMessage()


@pytest.mark.parametrize("name", [model.name for model in catalogue._bundled_models()])
def test_the_page_of_a_bundled_model_names_it_as_users_do(name: str) -> None:
    folder = catalogue.bundled_folder(name)
    assert folder is not None
    page = (folder / "README.md").read_text("utf-8")
    assert page == render_readme(read_card(folder), place=name)  # a folder's own says FOLDER
