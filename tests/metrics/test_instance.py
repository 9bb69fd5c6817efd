from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    InstanceScores,
    aji,
    average_precision,
    f1,
    matching,
    panoptic_quality,
)

small_labels = arrays(np.uint8, (3, 6), elements=st.integers(0, 3))


def two_squares() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    labels[0:8, 0:8] = 5
    labels[10:20, 10:20] = 9
    return labels


def test_the_truth_itself_scores_one_whatever_the_label_numbers() -> None:
    true = two_squares()
    pred = np.where(true == 5, 60_000, np.where(true == 9, 2, 0)).astype(np.uint16)
    assert average_precision(true, pred).tolist() == [1.0] * 10
    assert aji(true, pred) == panoptic_quality(true, pred) == f1(true, pred) == 1.0


def test_a_toy_case_worked_out_by_hand() -> None:
    true = two_squares()
    pred = np.zeros_like(true)
    pred[0:8, 0:6] = 1  # 48 of 64 pixels: IoU 0.75
    pred[10:20, 10:20] = 2  # exact
    pred[0, 19] = 3  # spurious, one pixel
    assert average_precision(true, pred, (0.5, 0.75, 0.8)) == pytest.approx([2 / 3, 2 / 3, 1 / 4])
    assert f1(true, pred) == pytest.approx(4 / 5)
    assert panoptic_quality(true, pred) == pytest.approx(1.75 / 2.5)
    assert aji(true, pred) == pytest.approx((48 + 100) / (64 + 100 + 1))


def test_one_object_over_two_true_ones_counts_as_a_match_and_a_miss_at_most() -> None:
    true = np.repeat([[1, 1, 2, 2]], 4, axis=0)
    merged = np.ones_like(true)
    found = matching(true, merged, 0.5)
    assert (found.tp, found.fp, found.fn) == (1, 0, 1)
    split = matching(merged, true, 0.5)
    assert (split.tp, split.fp, split.fn) == (1, 1, 0)


def test_the_largest_matching_wins_over_the_greedy_one() -> None:
    # object 1 fits both predictions, its better one is all that object 2 can have
    true = np.array([[1, 1, 1, 1, 2, 0, 0]])
    pred = np.array([[2, 1, 1, 1, 1, 0, 0]])
    assert matching(true, pred, 0.2).tp == 2


@pytest.mark.parametrize("score", [aji, panoptic_quality, f1])
def test_empty_against_empty_is_right_and_against_objects_is_wrong(score) -> None:
    empty = np.zeros((20, 20), np.int32)
    assert score(empty, empty) == 1
    assert score(two_squares(), empty) == 0
    assert score(empty, two_squares()) == 0


def brute_force(true: np.ndarray, pred: np.ndarray, threshold: float) -> tuple[int, float]:
    t_ids, p_ids = (sorted(set(np.unique(a)) - {0}) for a in (true, pred))
    slots = [*p_ids, *[None] * len(t_ids)]
    best = (0, 0.0)
    for order in permutations(slots, len(t_ids)):
        scores = [
            ((true == t) & (pred == p)).sum() / ((true == t) | (pred == p)).sum()
            for t, p in zip(t_ids, order, strict=True)
            if p is not None
        ]
        good = [s for s in scores if s >= threshold]
        best = max(best, (len(good), float(sum(good))))
    return best


@settings(deadline=None, max_examples=60)
@given(small_labels, small_labels, st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_matching_agrees_with_trying_every_assignment(true, pred, threshold) -> None:
    found = matching(true, pred, threshold)
    tp, iou_sum = brute_force(true, pred, threshold)
    assert found.tp == tp
    assert found.iou_sum == pytest.approx(iou_sum)
    assert found.tp + found.fn == len(set(np.unique(true)) - {0})
    assert found.tp + found.fp == len(set(np.unique(pred)) - {0})


@settings(deadline=None, max_examples=40)
@given(small_labels, small_labels)
def test_scores_lie_between_zero_and_one_and_fall_with_the_threshold(true, pred) -> None:
    ap = average_precision(true, pred)
    assert ((ap >= 0) & (ap <= 1)).all()
    assert (np.diff(ap) <= 1e-12).all()
    assert 0 <= aji(true, pred) <= 1
    assert f1(true, pred) == pytest.approx(f1(pred, true))


def test_a_set_pools_objects_and_averages_images() -> None:
    true = two_squares()
    one = np.where(true == 5, true, 0)
    scores = InstanceScores()
    scores.add(true, true)  # 2 found
    scores.add(one, np.zeros_like(one))  # 1 missed
    assert scores.pooled().average_precision == pytest.approx(2 / 3)
    assert scores.mean_average_precision == pytest.approx([0.5] * 10)
    assert scores.mean("f1") == pytest.approx(0.5)
    assert scores.pooled_aji == pytest.approx(164 / (164 + 64))
    assert scores.mean_aji == pytest.approx(0.5)


def test_a_huge_label_number_needs_no_huge_table() -> None:
    true = two_squares().astype(np.int64)
    assert f1(true * 10**15, true) == 1
    assert f1(np.full((4, 4), 10**15), np.ones((4, 4), int)) == 1


@pytest.mark.parametrize(
    ("true", "pred", "said"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), "differ in size"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "whole numbers"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), "negative"),
    ],
)
def test_what_are_not_two_label_images_is_refused(true, pred, said) -> None:
    with pytest.raises(InputError, match=said):
        average_precision(true, pred)


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(InputError, match="IoU threshold"):
        matching(two_squares(), two_squares(), 0.0)
    with pytest.raises(InputError, match=r"0\.33"):
        InstanceScores().pooled(0.33)
