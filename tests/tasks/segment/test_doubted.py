"""The doubt of nuclei of a virtual stain, handed on to a segmentation of that stain."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.export.results import write_tiff
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def stain():
    """A noisy stain: the tiny network finds objects in anything."""
    return np.random.default_rng(0).normal(100, 20, (48, 56)).astype(np.float32)


@pytest.fixture
def model(tiny_model, tmp_path):
    """The tiny network as files keep it."""
    save_model(tmp_path / "model", tiny_model.network, tiny_model.card)
    return load_model(tmp_path / "model", "cpu")


@pytest.fixture
def known(stain, model):
    """The objects of that stain, each with a doubt of its own."""
    labels = cytosynth.segment(stain, model, pixel_size=0.5).labels
    ids = np.arange(1, labels.max() + 1)
    assert len(ids) > 3
    doubt = np.linspace(0.1, 0.9, len(ids))
    return SimpleNamespace(labels=labels, table=pd.DataFrame({"label": ids, "doubt": doubt}))


def test_the_table_has_the_doubt_of_the_nuclei(stain, known, model, tmp_path):
    result = cytosynth.segment(stain, model, pixel_size=0.5, doubt=known)
    np.testing.assert_allclose(result.table["doubt"], known.table["doubt"])
    assert "doubt" in result.at_threshold(0.6).table
    result.save(tmp_path / "out")
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "out" / "table.csv")["doubt"], known.table["doubt"]
    )
    assert result.to_layers()[1][1]["features"] is result.table
    assert "doubt" not in cytosynth.segment(stain, model).table


def test_what_does_not_fit_is_refused_before_the_network_runs(stain, known, model):
    def stop(*_):
        raise AssertionError("the network was run")

    with pytest.raises(InputError, match="give the objects of a virtual stain"):
        cytosynth.segment(stain, "no-such-model", doubt=known.labels)
    with pytest.raises(InputError, match=r"shape \(48, 56\), but the labels have \(48, 50\)"):
        cytosynth.segment(stain[:, :50], model, doubt=known, progress=stop)


@pytest.fixture
def folder(stain, known, tmp_path):
    """What `cytosynth stain --objects` writes of nuclei, a stain and a model."""
    write_tiff(tmp_path / "mean.tif", stain, "YX", (0.5, 0.5))
    write_tiff(tmp_path / "labels.tif", known.labels.astype(np.uint16), "YX", (0.5, 0.5))
    known.table.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


def segment(folder, *more):
    words = ["segment", folder / "mean.tif", "--model", folder / "model", "--out", folder / "out"]
    return main([*map(str, words), *map(str, more)])


def test_the_command_reads_the_nuclei_of_a_folder(folder, known):
    assert segment(folder, "--doubt", folder) == 0
    found = pd.read_csv(folder / "out" / "table.csv")
    np.testing.assert_allclose(found["doubt"], known.table["doubt"])


def test_the_command_says_what_a_folder_lacks(folder, capsys):
    assert segment(folder, "--doubt", folder / "model") == 1
    assert "has no labels.tif and table.csv: give the folder" in capsys.readouterr().err
    (folder / "table.csv").write_text("label,area_px\n1,30\n")
    assert segment(folder, "--doubt", folder) == 1
    assert "has no doubt: the card of the model" in capsys.readouterr().err
    (folder / "table.csv").write_text("")
    assert segment(folder, "--doubt", folder) == 1
    assert "cannot be read as a table" in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.parametrize("row", ["abc,0.3", "1.5,0.3", ",0.3", "1,xyz"])
def test_a_table_that_was_changed_is_named(folder, capsys, row):
    (folder / "table.csv").write_text(f"label,doubt\n{row}\n2,0.3\n")
    assert segment(folder, "--doubt", folder) == 1
    assert "are not whole numbers and numbers" in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.parametrize("rows", ["", "1,\n2,\n"])
def test_a_table_may_be_empty_or_without_any_doubt(folder, rows):
    (folder / "table.csv").write_text(f"label,doubt\n{rows}")
    assert segment(folder, "--doubt", folder) == 0
    assert pd.read_csv(folder / "out" / "table.csv")["doubt"].isna().all()
