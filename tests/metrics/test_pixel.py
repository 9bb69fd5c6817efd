from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    Confusion,
    ProbabilityCounts,
    brier,
    confusion,
    dice,
    ece,
    iou,
    mae,
    pcc,
    precision_recall,
)


def test_half_overlapping_masks() -> None:
    pred, true = np.zeros((4, 4), bool), np.zeros((4, 4), np.uint8)
    pred[:, 0:2], true[:, 1:3] = True, 255
    assert iou(pred, true) == pytest.approx(1 / 3)
    assert dice(pred, true) == pytest.approx(1 / 2)
    assert confusion(pred, true) == Confusion(tp=4, fp=4, fn=4, tn=4)


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((3, 3))
    assert iou(empty, empty) == dice(empty, empty) == 1
    assert iou(empty, empty + 1) == 0


def test_adding_pools_pixels() -> None:
    pooled = Confusion(tp=1, fp=1) + Confusion(tp=8)
    assert pooled.iou == pytest.approx(0.9)


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32)),
    arrays(bool, (5, 7)),
    st.integers(0, 20),
)
def test_counts_at_a_threshold_are_those_of_the_thresholded_mask(p, true, k) -> None:
    threshold = k / 20
    [(_, counted)] = precision_recall(p, true, [threshold])
    assert counted == confusion(p >= np.float32(threshold), true)


def test_the_best_threshold_separates() -> None:
    counts = ProbabilityCounts()
    counts.add([0.1, 0.2, 0.6, 0.8], [0, 0, 1, 1])
    assert 0.2 < counts.best_threshold() < 0.6
    assert counts.confusion(counts.best_threshold()).iou == 1


def test_calibration_error() -> None:
    true = np.zeros(1000, bool)
    true[:300] = True
    assert ece(np.full(1000, 0.3), true) == pytest.approx(0, abs=1e-6)
    assert ece(np.full(1000, 0.9), true) == pytest.approx(0.6, abs=1e-6)
    assert ece(np.ones(10), np.zeros(10)) == 1


def test_brier_correlation_and_absolute_difference() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert brier([0.0, 0.5], [0, 1]) == pytest.approx(0.125)
    assert pcc(2 * x + 3, x) == pytest.approx(1)
    assert pcc(-x, x) == pytest.approx(-1)
    assert pcc(np.ones_like(x), x) == 0
    assert mae(x.astype(np.uint8), x + 2) == 2


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="differ in size"):
        iou(np.zeros((2, 2)), np.zeros((4, 1)))
    for bad in (1.5, -0.1, np.nan):
        with pytest.raises(InputError, match="between 0 and 1"):
            ece([bad], [1])
