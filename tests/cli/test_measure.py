"""The command that measures one label image in all that it can be measured in."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main


@pytest.fixture
def files(tmp_path):
    """Nuclei, the cells around them, and an image of two channels."""
    cells = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((8, 8), int)).astype(np.uint16)
    inner = np.kron(np.ones((3, 4), bool), np.pad(np.ones((4, 4), bool), 2))
    image = np.random.default_rng(0).integers(1, 900, (2, *cells.shape)).astype(np.uint16)
    arrays = {"cells": cells, "nuclei": np.where(inner, 20 - cells, 0).astype(np.uint16)}
    for name, array in arrays.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    tifffile.imwrite(tmp_path / "image.ome.tif", image, metadata={"axes": "CYX"})
    return tmp_path, arrays, image


def test_all_channels_ratios_neighbours_and_parents(files, capsys):
    folder, arrays, image = files
    line = ["measure", folder / "nuclei.tif", "--intensity", folder / "image.ome.tif",
            "--ratio", "1", "2", "--neighbours", "--parents", folder / "cells.tif",
            "--out", folder / "out"]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    expected = cytosynth.measure(
        arrays["nuclei"], image, ratios=[("1", "2")], neighbours=True, parents=arrays["cells"]
    ).drop(columns="index")
    assert (folder / "out" / "table.csv").read_text("utf-8") == expected.to_csv(index=False)
    assert (expected["parent"] == 20 - expected["label"]).all()
    record = json.loads((folder / "out" / "provenance.json").read_text("utf-8"))
    assert set(record["columns"]) == set(expected)
    assert record["columns"]["ratio_1_to_2"].startswith("Mean intensity in “1”")
    assert record["parents"].endswith("cells.tif")
    capsys.readouterr()


def test_children_are_counted(files, capsys):
    folder, _, _ = files
    line = ["measure", folder / "cells.tif", "--children", folder / "nuclei.tif",
            "--out", folder / "out"]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    assert (pd.read_csv(folder / "out" / "table.csv")["children"] == 1).all()
    capsys.readouterr()


def test_time_is_linked_and_written_for_other_trackers(tmp_path, capsys):
    labels = np.zeros((3, 20, 20), np.uint16)
    for t, x in enumerate((2, 3, 12)):
        labels[t, 2:6, x : x + 4] = t + 1
    tifffile.imwrite(tmp_path / "film.tif", labels, photometric="minisblack")
    line = ["measure", str(tmp_path / "film.tif"), "--axes", "TYX", "--track"]
    assert main([*line, "--max-distance", "10", "--out", str(tmp_path / "far")]) == 0
    assert "1 tracks" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "far" / "table.csv")["track"].tolist() == [1, 1, 1]
    assert (tmp_path / "far" / "tracks" / "res_track.txt").read_text() == "1 0 2 0\n"
    assert main([*line, "--out", str(tmp_path / "near")]) == 0
    assert pd.read_csv(tmp_path / "near" / "table.csv")["track"].tolist() == [1, 1, 2]
    capsys.readouterr()


def test_what_is_for_one_image_is_refused_for_many(files, capsys):
    folder, _, _ = files
    line = ["measure", folder / "nuclei.tif", folder / "cells.tif", "--track", "--out", folder]
    assert main([str(part) for part in line]) == 1
    assert "give a single file" in capsys.readouterr().err


def test_labels_below_0_are_explained(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "labels.tif", np.full((8, 8), -1, np.int16))
    assert main(["measure", str(tmp_path / "labels.tif"), "--out", str(tmp_path / "out")]) == 1
    assert "Some labels are below 0" in capsys.readouterr().err
