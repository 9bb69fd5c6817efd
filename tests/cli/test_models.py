"""The command line about models: what their cards say, lists, and publishing."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from napari_cytosynth.cli import main

pytestmark = pytest.mark.slow  # in all


def test_models_show_explains_the_card(saved_model, capsys) -> None:
    assert main(["models", "show", str(saved_model)]) == 0
    shown = capsys.readouterr().out
    assert "A tiny random network" in shown
    assert f"Lies in: {saved_model}\n" in shown
    assert "threshold: 0.5" in shown
    assert "threshold chosen on validation data" in shown
    assert main(["models", "show", str(saved_model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inference"]["objects"] == "blobs"


def test_models_tell_what_an_encoder_is_for(capsys) -> None:
    assert main(["models", "list", "--task", "encode"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    ours = [row for row in rows if row.startswith(("em-encoder", "nuclei-encoder"))]
    assert len(ours) == 2
    assert all("for distances between sets of images" in row for row in ours)
    assert main(["models", "show", "nuclei-encoder"]) == 0
    shown = capsys.readouterr().out
    assert "task: encode" in shown
    assert "segmentation model fluo-nuclei-unet" in shown


def test_models_list_aligns_its_columns(monkeypatch, capsys) -> None:
    info = SimpleNamespace(
        **{"source": "some-model", "task": "segment", "size_bytes": 2_500_000, "title": "Cells"},
        **{"licence": "other", "data_licence": "for research only"},
    )
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", lambda task: [info])
    assert main(["models", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert "2.5 MB" in row
    assert row[head.index("MAY BE USED") :].startswith("research only ")
    assert head.index("WHAT") == row.index("Cells")
    monkeypatch.setattr("napari_cytosynth.zoo.catalogue.list_models", lambda task: [])
    assert main(["models", "list"]) == 0
    assert "no models" in capsys.readouterr().out


def test_publish_without_uploading_says_what_would_go_up(saved_model, capsys) -> None:
    assert main(["models", "publish", str(saved_model), "me/tiny", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "model.safetensors" in shown
    assert "Nothing was uploaded" in shown
