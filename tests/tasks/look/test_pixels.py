"""Boxes of objects, and labels of some of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.tasks.look.colours import LEVELS, levels_of
from napari_cytosynth.tasks.look.pixels import find_boxes, keep_objects


def quiet(*_):
    pass


@pytest.mark.parametrize("large", [9, 2**31 - 1])
@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.uint64])
def test_boxes(large, dtype):
    labels = np.zeros((3, 20, 30), dtype)
    labels[1, 4:7, 10:20], labels[:, 15, 3] = 2, large
    boxes = find_boxes(labels, quiet)
    assert boxes.labels.tolist() == [2, large]
    assert boxes.place(2) == ((1, 5, 14.5), 10)
    assert boxes.place(large) == ((1, 15, 3), 1)
    assert boxes.place(3) is None
    assert boxes.place(large + 1) is None


def test_numbers_need_no_memory():
    assert find_boxes(np.array([[0, 2**62]]), quiet).labels.tolist() == [2**62]


def test_an_image_without_objects_has_no_boxes():
    assert find_boxes(np.zeros((4, 4), int), quiet).place(1) is None


@pytest.mark.parametrize("shape", [(2000, 3), (4, 5, 6)])
def test_some_objects_are_kept(shape):
    labels = np.random.default_rng(0).integers(0, 6, shape, np.uint16)
    kept = keep_objects(labels, np.array([2, 5]), quiet)
    assert kept.dtype == labels.dtype
    assert np.array_equal(kept, np.where((labels == 2) | (labels == 5), labels, 0))


def test_objects_are_kept_in_some_planes_alone():
    labels = np.ones((2, 3, 4, 5), int)
    labels[..., 2:] = 7
    places = np.array([[0, 1], [1, 2], [1, 2]])
    kept = keep_objects(labels, np.array([1, 1, 7]), quiet, places)
    expected = np.zeros_like(labels)
    expected[0, 1, :, :2] = 1
    expected[1, 2] = labels[1, 2]
    assert np.array_equal(kept, expected)


def test_keeping_can_be_stopped():
    def stop(*_):
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        keep_objects(np.ones((2, 2), int), np.array([1]), stop)


def test_levels_of_a_scale():
    values = np.array([0.0, 5.0, 10.0, 20.0, -1.0, np.nan])
    assert levels_of(values, 0, 10).tolist() == [0, 64, LEVELS - 1, LEVELS - 1, 0, -1]
    assert levels_of(np.array([3.0, np.nan]), 3, 3).tolist() == [64, -1]
