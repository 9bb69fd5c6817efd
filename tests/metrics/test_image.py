from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import ms_ssim, nrmse, psnr, rmse, ssim

rng = np.random.default_rng(5)
REAL = rng.gamma(2, 300, (200, 190)) + 2000
NOISY = REAL + rng.normal(0, 100, REAL.shape)


def test_equal_images_are_as_like_as_can_be() -> None:
    assert ssim(REAL, REAL, 1000) == pytest.approx(1)
    assert ms_ssim(REAL, REAL, 1000) == pytest.approx(1)
    assert psnr(REAL, REAL, 1000) == np.inf
    assert nrmse(REAL, REAL, 1000) == rmse(REAL, REAL) == 0


def test_a_difference_of_ten_on_a_range_of_a_hundred() -> None:
    true = np.full((20, 20), 50)
    assert rmse(true + 10, true) == pytest.approx(10)
    assert nrmse(true + 10, true, 100) == pytest.approx(0.1)
    assert psnr(true + 10, true, 100) == pytest.approx(20)


def test_unsigned_images_do_not_wrap_around() -> None:
    low, high = np.full((20, 20), 10, np.uint16), np.full((20, 20), 30, np.uint16)
    assert rmse(low, high) == pytest.approx(20)


def test_ssim_is_that_of_the_paper() -> None:
    expected = structural_similarity(
        NOISY, REAL, data_range=1500, gaussian_weights=True, use_sample_covariance=False
    )
    assert ssim(NOISY, REAL, 1500) == pytest.approx(expected, abs=1e-9)


def test_a_stain_that_is_too_dim_is_no_match() -> None:
    """A range taken from each image would make these two equal."""
    dim = 2000 + 0.3 * (REAL - 2000)
    assert ssim(dim, REAL, 1500) < 0.8
    assert ms_ssim(dim, REAL, 1500) < 0.8


def test_noise_weighs_less_over_several_scales() -> None:
    smooth = np.add.outer(*(np.cumsum(rng.normal(0, 40, 200)) for _ in range(2)))
    noisy = smooth + rng.normal(0, 30, smooth.shape)
    assert ssim(noisy, smooth, 800) < ms_ssim(noisy, smooth, 800) < 1


def test_a_small_plane_has_fewer_scales() -> None:
    small = slice(0, 12)
    one_scale = ssim(NOISY[small, small], REAL[small, small], 1500)
    assert ms_ssim(NOISY[small, small], REAL[small, small], 1500) == pytest.approx(one_scale)
    assert ms_ssim(-REAL, REAL, 1500) == 0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="differ in size"):
        psnr(REAL[1:], REAL, 1)
    with pytest.raises(InputError, match="above 0"):
        nrmse(REAL, REAL, 0)
    with pytest.raises(InputError, match="at least 11 px"):
        ssim(REAL[:10], REAL[:10], 1)
