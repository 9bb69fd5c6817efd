"""The command line hands training its arguments, and says what is missing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from napari_cytosynth.cli import main

pytestmark = pytest.mark.slow  # in all


def test_train_hands_its_arguments_on(monkeypatch, capsys) -> None:
    seen = []
    module = SimpleNamespace(main=lambda argv: seen.extend(argv) or 3)
    monkeypatch.setitem(sys.modules, "napari_cytosynth.training.cli", module)
    assert main(["train", "recipe", "--data-dir", "d", "--set", "a=1"]) == 3
    assert seen == ["recipe", "--data-dir", "d", "--set", "a=1"]
    monkeypatch.setitem(sys.modules, "napari_cytosynth.training.cli", None)
    assert main(["train", "recipe"]) == 1
    assert "napari-cytosynth[train]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [("train", "training.cli", "train"), ("demo", "widgets.demo.demo", "all")],
)
def test_packages_that_are_missed_only_while_running_are_named(
    command, module, extra, monkeypatch, capsys
) -> None:
    def start(argv):
        raise ImportError("No module named 'missing'.\nInstall it.")

    monkeypatch.setitem(sys.modules, f"napari_cytosynth.{module}", SimpleNamespace(main=start))
    assert main([command]) == 1
    shown = capsys.readouterr().err
    assert f'pip install "napari-cytosynth[{extra}]"' in shown
    assert "No module named 'missing'" in shown
    assert len(shown.splitlines()) == 1


def test_training_without_lightning_says_what_to_install(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.delitem(sys.modules, "napari_cytosynth.training.run.fit", raising=False)
    assert main(["train", "fluo-nuclei-unet", "--data-dir", "d"]) == 1
    assert 'pip install "napari-cytosynth[train]"' in capsys.readouterr().err
