from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import pcc, psnr, ssim
from napari_cytosynth.tasks.stain.comparison import compare
from napari_cytosynth.tasks.stain.result import Staining


@pytest.fixture
def staining():
    values = np.random.default_rng(0).uniform(100, 1100, (2, 40, 50)).astype(np.float32)
    return Staining(values, np.full_like(values, 10), ("DNA", "AGP"), "CYX")


def test_comparison_with_the_real_stain(staining):
    real = staining.mean[1] + 50 * np.random.default_rng(1).normal(size=(40, 50))
    span = float(np.ptp(real.astype(np.float32)))
    for given in (real, real[None], Image(real)):
        found = compare(staining, "AGP", given)
        assert found.pcc == pytest.approx(pcc(staining.mean[1], real), abs=1e-6)
        assert found.ssim == pytest.approx(ssim(staining.mean[1], real, data_range=span), abs=1e-4)
        assert found.psnr == pytest.approx(psnr(staining.mean[1], real, span), abs=1e-3)
        np.testing.assert_allclose(found.difference, staining.mean[1] - real, atol=1e-3)


def test_intensities_are_not_rescaled(staining):
    found = compare(staining, "DNA", staining.mean[0] / 2)
    assert found.pcc == pytest.approx(1)
    assert found.psnr < 10
    np.testing.assert_allclose(found.difference, staining.mean[0] / 2)


def test_missing_pixels_are_left_out(staining):
    real = staining.mean[0].copy()
    real[:5] = np.nan
    found = compare(staining, "DNA", real)
    assert found.pcc == pytest.approx(1)
    assert np.isnan(found.difference[:5]).all()


def test_a_stack_is_compared_plane_by_plane():
    values = np.random.default_rng(0).uniform(0, 1, (1, 3, 20, 20)).astype(np.float32)
    stack = Staining(values, None, ("DNA",), "CTYX")
    found = compare(stack, "DNA", values[0])
    assert (found.ssim, found.pcc) == (pytest.approx(1), pytest.approx(1))
    assert found.difference.shape == (3, 20, 20)


@pytest.mark.parametrize(
    ("stain", "real", "words"),
    [
        ("ER", np.zeros((40, 50)), "no stain “ER”"),
        ("DNA", np.zeros((50, 40)), "same field and size"),
        ("DNA", np.zeros((40, 50)), "same value everywhere"),
        ("DNA", np.zeros((40, 50), complex), "not intensities"),
    ],
)
def test_what_cannot_be_compared(staining, stain, real, words):
    with pytest.raises(InputError, match=words):
        compare(staining, stain, real)
