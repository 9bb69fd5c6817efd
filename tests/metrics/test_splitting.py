from __future__ import annotations

import numpy as np

from napari_cytosynth.metrics import Partition, partition


def line(*runs: tuple[int, int]) -> np.ndarray:
    """Labels on a line: (label, length) one after the other."""
    return np.concatenate([np.full(length, label) for label, length in runs])


def test_a_cut_object_is_a_split_and_the_reverse_a_merge() -> None:
    whole, halves = line((1, 10), (0, 5)), line((1, 5), (2, 5), (0, 5))
    assert partition(whole, halves) == Partition(splits=1, true=1, predicted=2)
    assert partition(halves, whole) == Partition(merges=1, true=2, predicted=1)
    assert partition(whole, whole) == Partition(true=1, predicted=1)


def test_crumbs_and_neighbours_that_reach_in_do_not_split() -> None:
    true = line((1, 10), (2, 10))
    assert partition(true, line((1, 9), (3, 1), (2, 10))).splits == 0  # a crumb
    assert partition(true, line((1, 7), (2, 13))).splits == 0  # the other one's


def test_many_small_parts_are_one_split_and_one_merge() -> None:
    whole, parts = line((1, 60)), np.repeat(np.arange(1, 7), 10)  # none is a fifth of the whole
    assert partition(whole, parts) == Partition(splits=1, true=1, predicted=6)
    assert partition(parts, whole) == Partition(merges=1, true=6, predicted=1)


def test_a_merge_counts_however_much_background_it_covers() -> None:
    true = line((1, 5), (0, 80), (2, 5), (0, 10))
    assert partition(true, line((1, 100))) == Partition(merges=1, true=2, predicted=1)


def test_a_border_in_the_wrong_place_is_neither() -> None:
    true, moved = line((1, 10), (2, 10)), line((1, 13), (2, 7))
    assert partition(true, moved) == Partition(true=2, predicted=2)
    assert partition(true, line((0, 20))) == Partition(true=2)


def test_without_a_least_share_every_crumb_counts() -> None:
    true, crumb = line((1, 100)), line((1, 99), (2, 1))
    assert partition(true, crumb).splits == 0
    assert partition(true, crumb, fraction=0).splits == 1


def test_counts_add_up_over_images() -> None:
    total = Partition(1, 0, 4, 5) + Partition(0, 2, 4, 3)
    assert total == Partition(1, 2, 8, 8)
    assert total.count_error == 0
    assert Partition(true=4, predicted=5).count_error == 0.25
    assert np.isnan(Partition().count_error)
