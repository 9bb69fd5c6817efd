from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import coverage, sparsification
from napari_cytosynth.metrics.error_curve import (
    ErrorCurve,
    SpreadCurve,
    fit_error_curve,
    quantile_loss,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_curve_follows_errors_that_rise_and_fall_with_brightness(rng):
    level = rng.uniform(0, 1, 100_000)
    true = 0.02 + 0.2 * np.sin(np.pi * level)  # largest in the middle
    curve = fit_error_curve(rng.normal(0, true), level)
    at = np.array([0.3, 0.5, 0.7, 0.95])
    np.testing.assert_allclose(
        curve.sigma(at),
        np.interp(
            at, np.sort(level), np.sort(level) * 0 + 0.02 + 0.2 * np.sin(np.pi * np.sort(level))
        ),
        rtol=0.12,
    )


@pytest.mark.parametrize("tail", ["normal", "laplace"])
def test_both_fractions_are_covered_at_every_brightness(rng, tail):
    level = rng.exponential(0.2, 60_000)
    error = getattr(rng, tail)(0, 0.01 + 0.1 * level)
    sigma = fit_error_curve(error, level).sigma(level)
    for part in (level < 0.1, level > 0.4):
        assert coverage(error[part], sigma[part]) == pytest.approx(0.68, abs=0.06)
        assert coverage(error[part], sigma[part], 1.96) == pytest.approx(0.95, abs=0.04)


def test_a_spread_that_tells_of_errors_widens_and_one_that_does_not_does_nothing(rng):
    level, unknown = rng.uniform(0, 1, 50_000), rng.lognormal(0, 0.7, 50_000)
    error = rng.normal(0, (0.05 + 0.1 * level) * unknown)
    curve = fit_error_curve(error, level, {"views": 0.01 * unknown})
    assert curve.spreads["views"].exponent == pytest.approx(1, abs=0.11)
    widened = sparsification(error, curve.sigma(level, {"views": 0.01 * unknown})).ause
    assert widened < 0.6 * sparsification(error, curve.sigma(level)).ause
    luck = rng.lognormal(0, 0.7, 50_000)
    assert fit_error_curve(error, level, {"views": luck}).spreads["views"].exponent <= 0.1


def test_a_spread_that_is_not_to_count_only_tells_what_is_usual(rng):
    level, spread = rng.uniform(0, 1, 20_000), rng.uniform(0.5, 1.5, 20_000)
    curve = fit_error_curve(rng.normal(0, spread), level, {"views": spread}, counting=())
    assert curve.spreads["views"].exponent == 0
    assert curve.excess("views", [0.5], [2.0]) == pytest.approx(2, abs=0.1)
    np.testing.assert_array_equal(curve.sigma([0.5], {"views": [3.0]}), curve.sigma([0.5]))


def test_a_missing_spread_counts_as_usual_and_an_absurd_one_is_limited():
    curve = ErrorCurve((0.0, 1.0), (1.0, 1.0), {"views": SpreadCurve((0.1, 0.1), 1.0)})
    np.testing.assert_allclose(curve.sigma([0.5]), [1.0])
    np.testing.assert_allclose(curve.sigma([0.5, 0.5], {"views": [0.2, 1e9]}), [2.0, 8.0])


def test_the_loss_is_least_at_the_true_sigma(rng):
    error = rng.normal(0, 2, 50_000)
    losses = {s: quantile_loss(error, np.full(error.shape, s)).mean() for s in (1, 2, 4)}
    assert min(losses, key=losses.get) == 2


@pytest.mark.parametrize(
    ("error", "level", "words"),
    [
        (np.zeros(200), np.zeros(100), "as many"),
        (np.zeros(20), np.zeros(20), "at least"),
        (np.full(200, np.nan), np.zeros(200), "finite"),
    ],
)
def test_errors_that_cannot_be_fitted_are_refused(error, level, words):
    with pytest.raises(InputError, match=words):
        fit_error_curve(error, level)


def test_a_plane_of_one_brightness_has_one_error(rng):
    curve = fit_error_curve(rng.normal(0, 1, 1000), np.full(1000, 0.3))
    assert curve.sigma([0.0, 0.3, 1.0]) == pytest.approx([1.0] * 3, rel=0.15)
