"""Objects of two images that are the same."""

from __future__ import annotations

import numpy as np

from napari_cytosynth.metrics.partners import partners


def test_objects_that_share_most_of_their_pixels_are_partners():
    first, second = np.zeros((2, 20, 20), np.int32)
    first[2:8, 2:8], second[3:8, 2:8] = 4, 9
    first[12:16, 2:8], second[14:18, 5:11] = 5, 7
    second[2:8, 14:18] = 3
    assert partners(first, second) == [(4, 9)]
    assert partners(first, np.zeros_like(first)) == []


def test_no_object_is_in_two_pairs():
    first, second = np.zeros((2, 10, 10), np.int32)
    first[:4, :4] = 1
    second[:4, :2], second[:4, 2:4] = 1, 2  # both have an IoU of exactly 0.5
    assert len(partners(first, second)) == 1
    assert len(partners(second, first)) == 1
