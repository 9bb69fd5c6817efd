from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import calibrated_sigma, coverage, fit_sigma, sparsification

rng = np.random.default_rng(7)


def test_sigma_by_hand() -> None:
    np.testing.assert_allclose(calibrated_sigma([3.0], 1, 4), [5])
    np.testing.assert_allclose(calibrated_sigma([3.0, 3.0], 0, 4, 0.5, [6, -6]), [5, 4])
    with pytest.raises(InputError, match="predicted intensities"):
        calibrated_sigma([3.0], 1, 4, 0.5)


def test_fit_finds_the_numbers_again() -> None:
    spread, level = rng.gamma(2, 0.02, 60_000), rng.uniform(-0.5, 1, 60_000)
    error = rng.normal(0, calibrated_sigma(spread, 2.0, 0.05, 0.2, level))
    fit = fit_sigma(error, spread, level)
    assert fit.scale == pytest.approx(2, rel=0.2)
    assert fit.floor == pytest.approx(0.05, rel=0.2)
    assert fit.slope == pytest.approx(0.2, rel=0.1)


def test_without_levels_there_is_no_slope() -> None:
    spread = rng.gamma(2, 0.02, 60_000)
    fit = fit_sigma(rng.normal(0, calibrated_sigma(spread, 2.0, 0.05)), spread)
    assert fit.slope == 0
    assert fit.scale == pytest.approx(2, rel=0.2)


def test_fit_shares_the_miss_where_no_sigma_could_meet_both_goals() -> None:
    """Of errors with heavy tails either too many lie within one sigma, or too few in two."""
    spread = rng.gamma(2, 0.02, 60_000)
    error = rng.laplace(0, 1, spread.size) * np.hypot(spread, 0.01)
    sigma = calibrated_sigma(spread, *fit_sigma(error, spread), np.zeros_like(spread))
    assert coverage(error, sigma) == pytest.approx(0.70, abs=0.03)
    assert coverage(error, sigma, 1.96) == pytest.approx(0.91, abs=0.02)


def test_errors_that_follow_both_terms_are_ranked_better_than_by_either() -> None:
    spread, level = rng.gamma(2, 0.05, 60_000), rng.uniform(0, 1, 60_000)
    error = rng.normal(0, calibrated_sigma(spread, 1.0, 0.01, 0.2, level))
    sigma = calibrated_sigma(spread, *fit_sigma(error, spread, level), level)
    ause = [sparsification(error, score).ause for score in (sigma, spread, level)]
    assert ause[0] < min(ause[1:])


def test_a_spread_that_says_nothing_gets_a_floor_only() -> None:
    fit = fit_sigma(rng.normal(0, 3, 50_000), np.zeros(50_000))
    assert fit.scale == fit.slope == 0
    assert fit.floor == pytest.approx(3, rel=0.02)


def test_pixels_without_spread_still_have_an_uncertainty() -> None:
    spread = np.where(np.arange(20_000) % 2, 0.1, 0.0)
    assert fit_sigma(rng.normal(0, 0.1, spread.size), spread).floor > 0


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="as many"):
        fit_sigma([1, 2], [1])
    with pytest.raises(InputError, match="finite"):
        fit_sigma([np.nan], [1])
