from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    coverage,
    ence,
    reliability,
    sparsification,
    spearman,
)

rng = np.random.default_rng(7)


def test_a_gaussian_is_covered_as_the_book_says() -> None:
    sigma = rng.uniform(1, 5, 200_000)
    error = rng.normal(0, sigma)
    assert coverage(error, sigma) == pytest.approx(0.6827, abs=0.004)
    assert coverage(error, sigma, 1.96) == pytest.approx(0.95, abs=0.002)
    assert coverage([1, -2, 3, -4], [2, 2, 2, 2]) == 0.5


def test_ence_of_two_groups_by_hand() -> None:
    sigma = [1, 1, 4, 4]
    error = [2, -2, 3, -3]  # rms 2 where 1 was predicted, 3 where it was 4
    groups = reliability(error, sigma, bins=2)
    np.testing.assert_allclose(groups.predicted, [1, 4])
    np.testing.assert_allclose(groups.found, [2, 3])
    assert list(groups.count) == [2, 2]
    assert ence(error, sigma, bins=2) == pytest.approx((1 / 1 + 1 / 4) / 2)
    assert ence([1, 1, 4, 4], sigma, bins=2) == 0
    assert ence(error, [0, 0, 4, 4], bins=2) == np.inf


def test_spearman_looks_at_the_order_only() -> None:
    error = np.array([1.0, -2, 3, -4])
    assert spearman(error, np.exp(np.abs(error))) == pytest.approx(1)
    assert spearman(error, -np.abs(error)) == pytest.approx(-1)
    assert spearman(error, np.ones(4)) == 0


def test_a_perfect_order_has_no_area_and_a_constant_has_that_of_chance() -> None:
    error = rng.normal(0, 1, 10_000)
    assert sparsification(error, np.abs(error)).ause == pytest.approx(0, abs=1e-12)
    chance = sparsification(error, np.ones(error.size))
    np.testing.assert_allclose(chance.remaining, 1)
    some = sparsification(error, np.abs(error) + rng.normal(0, 0.5, error.size))
    worst = sparsification(error, -np.abs(error))
    assert 0 < some.ause < chance.ause < worst.ause


def test_sparsification_by_hand() -> None:
    curve = sparsification([4, 3, 2, 1], [4, 1, 3, 2], steps=4)
    np.testing.assert_allclose(curve.removed, [0, 0.25, 0.5, 0.75])
    # of 4, 3, 2, 1 go 4, then 2, then 1; the oracle leaves 4, 3 and 2 out
    np.testing.assert_allclose(curve.remaining, np.array([2.5, 2, 2, 3]) / 2.5)
    np.testing.assert_allclose(curve.oracle, np.array([2.5, 2, 1.5, 1]) / 2.5)
    assert curve.ause == pytest.approx(0.25 * 0.2 + 0.5 * 0.25 * 0.8)


def test_equal_scores_share_their_errors() -> None:
    curve = sparsification([0, 10, 5, 5], [1, 1, 2, 2], steps=4)
    np.testing.assert_allclose(curve.remaining, 1)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(InputError, match="differ in size"):
        coverage([1, 2], [1])
    with pytest.raises(InputError, match="finite"):
        coverage([np.nan], [1])
    with pytest.raises(InputError, match="at least one"):
        spearman([], [])
    with pytest.raises(InputError, match="3 groups"):
        ence([1, 2], [1, 2], bins=3)
    with pytest.raises(InputError, match="100 steps"):
        sparsification([1, 2], [1, 2])
