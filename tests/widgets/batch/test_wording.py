"""Sentences of the library in the words of the form: no option of a command is left in them."""

from __future__ import annotations

import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.batch.settings import BatchSettings
from napari_cytosynth.widgets.batch.wording import describe_settings, in_the_form


def test_a_folder_whose_folders_hold_images(images, tmp_path):
    with pytest.raises(InputError, match="--recursive") as caught:
        cytosynth.batch(tmp_path, tmp_path / "out", task="measure", dry_run=True)
    assert in_the_form(str(caught.value)).endswith("tick “folders within”.")


def test_a_file_of_others_and_labels_corrected_by_hand(images, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "batch-files.csv").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite") as caught:
        cytosynth.batch(images / "a.tif", out, task="measure")
    assert "tick “replace other files, too”" in in_the_form(str(caught.value))
    (out / "batch-files.csv").unlink()
    cytosynth.batch(images / "a.tif", out, task="measure")
    (out / "a-table.csv").write_text("label")
    (outcome,) = cytosynth.batch(images / "a.tif", out, task="measure", resume=True).outcomes
    assert "--resume" in outcome.sentence
    assert "--" not in in_the_form(outcome.sentence)
    assert "“do again what is done” and “replace other files, too”" in in_the_form(outcome.sentence)


def test_settings_in_one_line():
    settings = BatchSettings(
        "segment", "/models/mine", {"threshold": 0.12345, "fill_holes": True, "planes": (1, 2)}
    )
    line = "segment · mine · threshold 0.1235, fill_holes yes, planes 1 × 2"
    assert describe_settings(settings) == line
    assert describe_settings(BatchSettings("measure")) == "measure"
