"""Distances of distributions: the closed forms, and what chance alone gives."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    area_distance,
    bootstrap_interval,
    foreground_fractions,
    frechet_distance,
    intensity_distance,
    kernel_distance,
)


def _with_moments(mean, covariance, count=40, seed=0):
    """Points whose sample mean and covariance are exactly as asked for."""
    raw = np.random.default_rng(seed).normal(size=(count, len(mean)))
    raw -= raw.mean(axis=0)
    raw = raw @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(raw, rowvar=False)))).T
    return raw @ np.linalg.cholesky(np.asarray(covariance)).T + mean


def test_the_frechet_distance_of_two_gaussians_of_one_feature() -> None:
    """(μ₁ - μ₂)² + (σ₁ - σ₂)² = 3² + (2 - 5)²."""
    first, second = _with_moments([1], [[4]]), _with_moments([4], [[25]], seed=1)
    assert frechet_distance(first, second) == pytest.approx(18)


def test_the_frechet_distance_is_that_of_the_formula() -> None:
    from scipy.linalg import sqrtm

    one, other = [[2, 0.5], [0.5, 1]], [[1, -0.3], [-0.3, 3]]
    first, second = _with_moments([0, 1], one), _with_moments([2, 1], other, seed=1)
    expected = 4 + np.trace(np.add(one, other) - 2 * sqrtm(np.dot(one, other)).real)
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)


def test_fewer_images_than_features_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    few, more = rng.normal(size=(5, 50)), rng.normal(size=(9, 50))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(frechet_distance(few, more))
    # shifted by 1 in each of the 50 features, with the covariance unchanged
    assert frechet_distance(few, few + 1) == pytest.approx(50)


def test_real_images_lie_near_real_ones_and_noise_far_off() -> None:
    rng = np.random.default_rng(2)
    real, others = rng.gamma(2, 1, (2, 300, 6))
    noise = rng.normal(5, 3, (300, 6))
    assert frechet_distance(real, others) < 0.01 * frechet_distance(real, noise)
    assert kernel_distance(real, others)[0] < 0.01 * kernel_distance(real, noise)[0]


def test_the_kernel_distance_of_two_pairs_of_numbers() -> None:
    """With k(x, y) = (xy + 1)³: k(0, 1) + k(2, 3) - mean of 1, 1, 27, 64 × 2."""
    # k(0,1) = 1, k(2,3) = 343; crosswise (0,2) 1, (0,3) 1, (1,2) 27, (1,3) 64
    mean, std = kernel_distance([[0], [1]], [[2], [3]], subsets=3)
    assert mean == pytest.approx(1 + 343 - 2 * 93 / 4)
    assert std == pytest.approx(0, abs=1e-9)


def test_the_kernel_distance_is_unbiased() -> None:
    """Whatever the number of images, sets from one distribution are 0 apart on average."""
    rng = np.random.default_rng(3)
    found = [kernel_distance(*rng.normal(size=(2, 8, 4)), subsets=1)[0] for _ in range(2000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_the_kernel_distance_follows_its_seed() -> None:
    first, second = np.random.default_rng(4).normal(size=(2, 30, 3))
    once = kernel_distance(first, second, subset=10, subsets=5, seed=1)
    assert kernel_distance(first, second, subset=10, subsets=5, seed=1) == once
    assert kernel_distance(first, second, subset=10, subsets=5, seed=2) != once
    assert once[1] > 0


def test_the_interval_of_a_mean_has_the_width_of_its_error() -> None:
    values = np.random.default_rng(5).normal(3, 2, 400)
    low, high = bootstrap_interval(np.mean, values, draws=1000)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / np.sqrt(400), rel=0.15)
    narrow = bootstrap_interval(np.mean, values, draws=1000, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_an_interval_redraws_every_set_by_itself() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.normal(1, 1, 200), rng.normal(0, 1, 50)
    low, high = bootstrap_interval(lambda a, b: a.mean() - b.mean(), first, second)
    assert low < first.mean() - second.mean() < high


def test_intensities_that_are_shifted_by_a_tenth() -> None:
    images = np.random.default_rng(7).random((3, 2, 8, 8))
    other = images[::-1] + np.array([0.0, 0.1])[:, None, None]
    np.testing.assert_allclose(intensity_distance(images, other), [0, 0.1], atol=1e-12)


def test_the_area_of_masks() -> None:
    masks = np.zeros((2, 4, 4), int)
    masks[0, :2], masks[1, 0, 0] = 7, 1
    np.testing.assert_allclose(foreground_fractions(masks), [0.5, 1 / 16])
    assert area_distance(masks, masks[::-1]) == 0
    assert area_distance(masks, np.zeros((5, 4, 4))) == pytest.approx((0.5 + 1 / 16) / 2)


def test_what_cannot_be_compared_is_refused() -> None:
    table = np.zeros((3, 2))
    with pytest.raises(InputError, match="at least 2 images"):
        frechet_distance(table[:1], table)
    with pytest.raises(InputError, match="same extractor"):
        frechet_distance(table, np.zeros((3, 4)))
    with pytest.raises(InputError, match="NaN"):
        kernel_distance(table, table + np.nan)
    with pytest.raises(InputError, match="subsets of at least two"):
        kernel_distance(table, table, subset=1)
    with pytest.raises(InputError, match="at least one image"):
        bootstrap_interval(np.mean, [])
    with pytest.raises(InputError, match="between 0 and 1"):
        bootstrap_interval(np.mean, [1.0], level=95)
    with pytest.raises(InputError, match="differ in channels"):
        intensity_distance(np.zeros((1, 1, 8, 8)), np.zeros((1, 2, 8, 8)))
    with pytest.raises(InputError, match="axes sample, channel"):
        intensity_distance(np.zeros((8, 8)), np.zeros((8, 8)))
    with pytest.raises(InputError, match="not numbers"):
        intensity_distance(np.full((1, 1, 8, 8), np.nan), np.zeros((1, 1, 8, 8)))
    with pytest.raises(InputError, match="axes sample, y, x"):
        area_distance(np.zeros((8, 8)), np.zeros((1, 8, 8)))
