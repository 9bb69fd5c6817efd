from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import pcc, psnr, ssim
from napari_cytosynth.tasks.stain.comparison import compare, second_opinion
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


def test_second_opinion_points_at_what_only_one_model_sees(staining):
    other = Staining(staining.mean[::-1].copy(), None, ("AGP", "DNA"), "CYX")
    other.mean[1, 10:16, 20:28] -= 60  # DNA that only the first sees
    other.mean[1, 30:32, 2:4] += 60  # too small
    other.mean[0, 20:26, 5:11] += 40  # AGP that only the second sees
    found = second_opinion(staining, other)
    assert found.channels == ("DNA", "AGP")
    assert found.map.shape == (2, 40, 50)
    np.testing.assert_allclose(found.map[0, 10:16, 20:28], 60, atol=1e-3)
    np.testing.assert_allclose(found.points, [[12.5, 23.5], [22.5, 7.5]])
    assert list(found.features["stain"]) == ["DNA", "AGP"]
    assert list(found.features["area_px"]) == [48, 36]
    np.testing.assert_allclose(found.features["difference"], [60, -40], atol=1e-3)
    np.testing.assert_allclose(found.features["sigmas"], [6, -4], atol=1e-3)
    assert len(second_opinion(staining, other, sigmas=5).points) == 1


def test_both_uncertainties_count(staining):
    other = Staining(staining.mean + 40, np.full_like(staining.mean, 30), ("DNA", "AGP"), "CYX")
    assert len(second_opinion(staining, other).points) == 0
    other.std = None
    assert len(second_opinion(staining, other).points) == 2


def test_it_is_known_whether_the_uncertainty_was_calibrated(staining):
    staining.calibrated = True
    other = Staining(staining.mean, None, ("DNA", "AGP"), "CYX")
    assert second_opinion(staining, other).calibrated
    other.std = staining.std  # of both, and this one is not
    assert not second_opinion(staining, other).calibrated


def test_points_of_a_stack_know_their_plane():
    mean = np.zeros((1, 3, 20, 20), np.float32)
    first = Staining(mean, np.ones_like(mean), ("DNA",), "CTYX")
    second = Staining(mean.copy(), None, ("DNA",), "CTYX")
    second.mean[0, 2, 5:15, 5:15] = 9
    np.testing.assert_allclose(second_opinion(first, second).points, [[2, 9.5, 9.5]])


def test_what_has_no_second_opinion(staining):
    with pytest.raises(InputError, match="no stain in common"):
        second_opinion(staining, Staining(staining.mean, None, ("ER", "RNA"), "CYX"))
    with pytest.raises(InputError, match="shapes differ"):
        second_opinion(staining, Staining(staining.mean[:, 1:], None, ("DNA", "AGP"), "CYX"))
    plain = Staining(staining.mean, None, ("DNA", "AGP"), "CYX")
    with pytest.raises(InputError, match="at least 2 samples"):
        second_opinion(plain, plain)
