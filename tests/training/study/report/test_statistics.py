from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.study.report.statistics import compare, holm, mean_interval


def test_an_interval_is_that_of_students_t():
    values = [1.0, 2.0, 4.0]
    mean, low, high = mean_interval(values)
    expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), *expected))
    assert mean_interval([*values, math.nan]) == (mean, low, high)


def test_one_run_has_a_mean_but_no_interval():
    mean, low, high = mean_interval([3.0])
    assert mean == 3
    assert math.isnan(low)
    assert math.isnan(high)
    assert math.isnan(mean_interval([])[0])


@pytest.mark.parametrize("paired", [False, True])
def test_comparisons_are_those_of_scipy(paired):
    a, b = np.array([0.71, 0.74, 0.73, 0.78]), np.array([0.60, 0.66, 0.62, 0.69])
    found = compare(a, b, paired)
    test = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval()
    assert found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx(0.0975)
    assert found.significant
    assert "differ by" in found.words


def test_too_few_runs_cannot_tell():
    for paired in (False, True):
        found = compare([0.9], [0.1], paired)
        assert not found.significant
        assert math.isnan(found.p)
        assert "Cannot tell" in found.words
    with pytest.raises(InputError, match="same runs"):
        compare([1, 2], [1, 2, 3], paired=True)


@pytest.mark.parametrize(
    ("a", "b", "paired", "reason"),
    [
        ([2, 2, 2], [1, 1, 1], False, "the runs of each arm are identical"),
        ([0.1 + 0.2] * 3, [0.3] * 3, False, "the runs of each arm are identical"),
        ([2, 3], [1, 2], True, "all pairs of runs differ by the same amount"),
    ],
)
def test_repeats_of_one_run_prove_nothing(a, b, paired, reason):
    found = compare(a, b, paired)
    assert math.isnan(found.p)
    assert not found.significant
    assert found.words == f"Cannot tell: {reason}."


def test_holm_corrects_for_the_number_of_comparisons():
    corrected = holm([0.01, 0.04, 0.03, math.nan])
    np.testing.assert_allclose(corrected[:3], [0.03, 0.06, 0.06])
    assert math.isnan(corrected[3])
    assert holm([0.9, 0.8]).max() == 1
    assert holm([]).size == 0
