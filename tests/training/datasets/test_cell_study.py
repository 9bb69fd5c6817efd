from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.training.datasets import cell_study


@pytest.fixture
def montages(tmp_path):
    """Two montages of 4 × 4 cells, discs of the same size but of different brightness."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :40] - 19.5
    disc = (np.hypot(y, x) < 10).astype(float)
    for number in range(2):
        brightness = rng.uniform(500, 2000, (4, 4))
        image = np.kron(brightness, disc).astype(np.uint16)
        for folder in ("brightfield", "fluorescence"):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / folder / f"{number}.tif", image)
    return tmp_path


def test_right_pairs_are_told_from_mispaired_ones(montages, monkeypatch, capsys):
    def perfect(image, model, **_):
        mean = image[None].astype(np.float32) + 10
        return Staining(mean, np.full_like(mean, 10), ("DNA",), "CYX")

    monkeypatch.setattr(cell_study, "stain", perfect)
    monkeypatch.setattr(cell_study, "load_model", lambda name: name)
    assert cell_study.main(["any", str(montages)]) == 0
    assert "mispaired" in capsys.readouterr().out
    table = cell_study.cell_study("any", montages).set_index("compared")
    assert (table["cells"] == 32).all()
    assert table.loc["right pairs", "PCC of total intensity"] == pytest.approx(1)
    assert abs(table.loc["mispaired", "PCC of total intensity"]) < 0.5
    # the shape alone makes the pixels of wrong pairs look alike
    assert table.loc["mispaired", "PCC of pixels"] > 0.8
    assert table.loc["right pairs", "coverage of 68 %"] == 1


def test_a_missing_folder_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cell_study, "load_model", lambda name: name)
    assert cell_study.main(["any", str(tmp_path)]) == 1
    assert "folder" in capsys.readouterr().err
