"""Density of numbers over real cells, from quantiles that fit on a card."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from napari_cytosynth.training.stain.calibrate.population import Population, population_of


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(5, 0.3, 1500), rng.normal(6.2, 0.2, 500)])


def test_it_is_the_kernel_estimate_of_all_cells(values):
    asked = np.random.default_rng(1).permutation(values)[:500]
    known = np.log(gaussian_kde(values)(asked))
    found = population_of(values).log_density(asked)
    assert found.mean() == pytest.approx(known.mean(), abs=0.05)
    assert np.abs(found - known).mean() < 0.1


def test_the_density_sums_to_one_and_is_nowhere_nothing(values):
    grid = np.linspace(-100, 100, 20_001)
    density = np.exp(population_of(values).log_density(grid))
    assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=1e-3)
    assert (density > 0).all()


def test_a_card_holds_it(values):
    own = population_of(values)
    again = Population.from_card(own.as_card())
    np.testing.assert_allclose(again.log_density(values), own.log_density(values), atol=2e-3)


def test_equal_numbers_have_a_density(values):
    rounded = np.round(values * 2) / 2
    assert np.isfinite(population_of(rounded).log_density(rounded)).all()
    assert np.isfinite(population_of(np.full(20, 3.0)).log_density([3.0, 4.0])).all()
