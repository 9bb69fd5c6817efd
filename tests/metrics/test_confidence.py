from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    auroc,
    best_iou,
    confidence_curve,
    fit_confidence,
    log_losses,
)


def simulated(weights, intercept, count=20_000, seed=0):
    """Ingredients of objects, and which of them are right by known log odds."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(5, 3, count) for name in weights}
    odds = intercept + sum(weight * columns[name] for name, weight in weights.items())
    return columns, rng.random(count) < 1 / (1 + np.exp(-odds))


def test_the_best_partner_of_each_object_counts_by_rising_label() -> None:
    true = np.array([[1, 1, 1, 1, 2, 2, 0, 0]])
    pred = np.array([[9, 9, 9, 0, 3, 3, 0, 7]])
    np.testing.assert_allclose(best_iou(true, pred), [1, 0, 3 / 4])  # 3, 7, 9
    assert best_iou(true, np.zeros_like(true)).size == 0


def test_known_coefficients_are_recovered() -> None:
    columns, right = simulated({"a": 0.5, "b": -1.0}, intercept=2.0)
    fit = fit_confidence(columns, right, penalty=1e-6)
    slopes = np.array(fit.weights) / fit.scale
    np.testing.assert_allclose(slopes, [0.5, -1.0], atol=0.05)
    assert fit.intercept - slopes @ fit.mean == pytest.approx(2.0, abs=0.2)


def test_the_probability_follows_the_ingredient_that_tells() -> None:
    columns, right = simulated({"flow error": -1.0}, intercept=5.0, count=2000)
    fit = fit_confidence(columns, right)
    stated = fit({"flow error": np.linspace(-50, 50, 101), "another": "is not read"})
    assert (np.diff(stated) <= 0).all()
    assert stated[0] > 0.99
    assert stated[-1] < 0.01


def test_the_same_objects_give_the_same_fit() -> None:
    columns, right = simulated({"a": 1.0}, intercept=-5.0, count=300)
    assert fit_confidence(columns, right) == fit_confidence(columns, right)


def test_the_units_of_an_ingredient_do_not_matter() -> None:
    columns, right = simulated({"area": 0.3}, intercept=-1.0, count=500)
    scaled = {"area": columns["area"] * 1e6}
    fits = fit_confidence(columns, right), fit_confidence(scaled, right)
    np.testing.assert_allclose(fits[0](columns), fits[1](scaled), rtol=1e-6)


def test_a_constant_ingredient_says_nothing_and_breaks_nothing() -> None:
    columns, right = simulated({"a": 1.0}, intercept=-5.0, count=500)
    alone = fit_confidence(columns, right)
    both = fit_confidence(columns | {"same": np.full(500, 0.1)}, right)
    assert both.scale[1] == both.weights[1] == 0
    np.testing.assert_allclose(both(columns | {"same": np.full(500, 8.0)}), alone(columns))


def test_only_constant_ingredients_give_the_share_of_right_objects() -> None:
    fit = fit_confidence({"same": np.ones(4)}, np.array([True, True, True, False]))
    np.testing.assert_allclose(fit({"same": [1.0]}), [0.75], atol=1e-6)


def test_separable_objects_have_finite_weights() -> None:
    fit = fit_confidence({"a": [1, 2, 3, 4]}, np.array([False, False, True, True]))
    assert np.isfinite(fit.weights).all()
    assert fit({"a": [1, 4]}) == pytest.approx([0, 1], abs=0.05)


@pytest.mark.parametrize(
    ("right", "said"), [([True] * 3, "3 objects are right"), ([False] * 3, "wrong")]
)
def test_objects_of_one_kind_are_said_to_teach_nothing(right, said) -> None:
    with pytest.raises(InputError, match=said):
        fit_confidence({"a": [1, 2, 3]}, np.array(right))
    assert np.isnan(auroc([1, 2, 3], np.array(right)))


@pytest.mark.parametrize(
    ("columns", "right", "said"),
    [
        ({}, [True, False], "at least one ingredient"),
        ({"a": [1, np.nan]}, [True, False], "“a” are not numbers"),
        ({"a": [1, 2, 3]}, [True, False], "there are 2 objects"),
        ({"a": [1, 2]}, [1, 0], "True or False"),
        ({"a": []}, [], "True or False"),
    ],
)
def test_what_are_no_ingredients_is_refused(columns, right, said) -> None:
    with pytest.raises(InputError, match=said):
        fit_confidence(columns, np.array(right))


def test_a_fit_without_penalty_or_an_object_without_ingredient_is_refused() -> None:
    right = np.array([True, False, True])
    with pytest.raises(InputError, match="penalty"):
        fit_confidence({"a": [1, 2, 3]}, right, penalty=0)
    with pytest.raises(InputError, match="needs “a”"):
        fit_confidence({"a": [1, 2, 3]}, right)({"b": [1]})


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_in_the_right_order(seed) -> None:
    rng = np.random.default_rng(seed)
    score, right = rng.integers(0, 6, 40), rng.random(40) < 0.4
    pairs = score[right][:, None] - score[~right][None]
    assert auroc(score, right) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert auroc(-score, right) == pytest.approx(1 - auroc(score, right))


def test_auroc_of_perfect_and_constant_scores() -> None:
    right = np.array([False, False, True])
    assert auroc([1, 2, 3], right) == 1
    assert auroc([3, 2, 1], right) == 0
    assert auroc([7, 7, 7], right) == 0.5


def test_losses_are_those_of_the_true_outcome_and_finite() -> None:
    losses = log_losses([0.5, 0.9, 0.0, 1.0], np.array([True, False, True, True]))
    np.testing.assert_allclose(losses[[0, 1, 3]], [np.log(2), -np.log(0.1), 0], atol=1e-9)
    assert 30 < losses[2] < 40


def test_the_curve_shows_stated_and_found_shares_bin_by_bin() -> None:
    stated = [0.0, 0.1, 0.3, 0.35, 1.0]  # 0.3 lies in the bin that it begins
    curve = confidence_curve(stated, np.array([False, True, False, True, True]))
    np.testing.assert_allclose(curve.low, [0, 0.1, 0.3, 0.9])
    np.testing.assert_allclose(curve.high, [0.1, 0.2, 0.4, 1])
    np.testing.assert_allclose(curve.stated, [0, 0.1, 0.325, 1])
    np.testing.assert_allclose(curve.found, [0, 1, 0.5, 1])
    assert list(curve.count) == [1, 1, 2, 1]
    assert curve.error == pytest.approx((0 + 0.9 + 2 * 0.175 + 0) / 5)


def test_honest_probabilities_lie_on_the_diagonal_and_boastful_ones_below() -> None:
    rng = np.random.default_rng(1)
    stated = rng.random(50_000)
    right = rng.random(50_000) < stated
    assert confidence_curve(stated, right).error < 0.02
    boastful = confidence_curve(np.sqrt(stated), right)
    assert boastful.error > 0.1
    assert (boastful.found < boastful.stated).all()


def test_what_are_no_probabilities_is_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        confidence_curve([1.5], np.array([True]))
    with pytest.raises(InputError, match="at least one bin"):
        confidence_curve([0.5], np.array([True]), bins=0)
