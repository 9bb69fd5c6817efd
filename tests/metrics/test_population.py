from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.population import compare_populations, ks_distance, wasserstein

rng = np.random.default_rng(2)


def test_distances_by_hand() -> None:
    assert ks_distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert wasserstein([1, 2, 3, 4], [3, 4, 5, 6]) == 2
    assert ks_distance([1, 2], [1, 2, np.nan]) == wasserstein([1, 2], [2, 1]) == 0
    with pytest.raises(InputError, match="at least one object"):
        ks_distance([], [1])


def test_a_shift_stands_out_against_two_halves() -> None:
    real = {"area": rng.normal(100, 10, 400), "only here": [1.0], "empty": [np.nan, 1, 2]}
    virtual = {"area": rng.normal(110, 10, 300), "empty": [np.nan]}
    (area,) = compare_populations(real, virtual)
    assert area.feature == "area"
    assert area.wasserstein == pytest.approx(1, abs=0.2)
    assert area.ks == pytest.approx(0.38, abs=0.1)
    assert area.ks_halves < area.ks / 3
    assert area.wasserstein_halves < area.wasserstein / 4
    assert area.virtual_mean - area.real_mean == pytest.approx(10, abs=2)


def test_the_same_objects_are_no_further_than_chance() -> None:
    values = rng.gamma(3, 1, 200)
    (same,) = compare_populations({"x": values}, {"x": values})
    assert same.ks == same.wasserstein == 0
    assert same.ks_halves > 0


def test_the_wasserstein_distance_is_the_same_for_as_many_objects_and_for_more() -> None:
    first, second = np.random.default_rng(3).gamma(2, 1, (2, 50))
    assert wasserstein(first, second) == pytest.approx(wasserstein(first, np.repeat(second, 2)))
