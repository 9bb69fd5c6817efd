"""Stained phantoms with what a network may not know: only the phase image changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError


@pytest.fixture(scope="module")
def plain():
    return phantoms.stained_cells((192, 192), count=7, seed=12)


@pytest.mark.parametrize(
    "fault", [{"hidden": 0.5}, {"clumps": 6}, {"optics": phantoms.Optics(defocus_um=5.0)}]
)
def test_cells_and_stains_stay_the_same(plain, fault):
    made = phantoms.stained_cells((192, 192), count=7, seed=12, **fault)
    for name in ("fluorescence", "nuclei", "cells"):
        np.testing.assert_array_equal(getattr(made, name), getattr(plain, name))
    assert not np.array_equal(made.phase, plain.phase)


def test_the_outline_of_hidden_cells_does_not_show_and_their_nucleus_does(plain):
    made = phantoms.stained_cells((192, 192), count=7, seed=12, hidden=0.6)
    assert 0 < made.hidden.size < made.cells.max()
    hidden = np.isin(made.cells, made.hidden)
    away = ndimage.distance_transform_edt(made.nuclei == 0)
    others = ndimage.distance_transform_edt(hidden | (made.cells == 0))
    near = ndimage.distance_transform_edt(~hidden)

    def details(image, where):
        smooth = image.astype(float)
        return (smooth - ndimage.gaussian_filter(smooth, 6))[where].std()

    rim = (near < 4) & (away > 8) & (others > 8)  # of hidden cells, away from all that shows
    assert details(plain.phase, rim) > 2 * details(made.phase, rim)
    nuclei = hidden & (made.nuclei > 0)
    assert details(made.phase, nuclei) > 0.5 * details(plain.phase, nuclei)


def test_clumps_lie_between_the_cells_dark_and_unstained(plain):
    made = phantoms.stained_cells((192, 192), count=7, seed=12, clumps=6)
    assert 3 <= made.clumps.max() <= 8
    clumps = made.clumps > 0
    assert not (clumps & (made.cells > 0)).any()
    areas = np.bincount(made.clumps.ravel())[1:] * made.pixel_size_um**2
    assert 25 < np.median(areas) < 120  # as nuclei, in µm²
    ground = np.median(made.phase[made.cells == 0])
    assert made.phase[clumps].mean() < 0.9 * ground
    dna = made.fluorescence[0].astype(float)
    assert dna[clumps].mean() < np.median(dna[made.cells == 0]) + 60  # noise of the camera


def test_plain_fields_have_neither(plain):
    assert plain.hidden.size == 0
    assert not plain.clumps.any()


@pytest.mark.parametrize("wrong", [{"hidden": 1.5}, {"clumps": -1}, {"optics": "sharp"}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(InputError):
        phantoms.stained_cells((64, 64), count=2, **wrong)
