from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.training.teach.segment.pairs import read_pairs
from napari_cytosynth.training.teach.segment.strokes import hold_out


def _planes(objects, *, whole=False, planes=1):
    image = np.zeros((60, 200), np.float32)
    labels = np.zeros((60, 200), int)
    for number in range(objects):
        labels[10:20, 10 * number : 10 * number + 6] = number + 2
        labels[40:44, 10 * number : 10 * number + 6] = 1
    if whole:
        labels = np.maximum(labels - 1, 0)
    return read_pairs([(image, labels)] * planes, sparse=not whole)


def test_whole_strokes_of_both_classes_are_held_out():
    (plane,) = _planes(10)
    held_out = hold_out([plane], 0, instances=True)
    (mask,) = held_out.masks
    assert (held_out.objects, held_out.background, held_out.held_objects) == (10, 10, 2)
    for label in np.unique(plane.objects[plane.objects > 0]):
        assert len(np.unique(mask[plane.objects == label])) == 1
    held = mask & (plane.annotated > 0)
    assert held[plane.objects > 0].sum() == 2 * 60
    assert held[plane.objects == 0].sum() == 2 * 24


def test_of_fewer_than_five_objects_none_is_held_out():
    held_out = hold_out(_planes(4), 0, instances=True)
    assert not held_out.masks
    assert held_out.objects == 4


def test_of_a_window_that_is_known_everywhere_objects_validate_with_what_is_around_them():
    (plane,) = _planes(10, whole=True)
    (mask,) = hold_out([plane], 0, instances=True).masks
    assert 0.05 < mask.mean() < 0.5
    for label in np.unique(plane.objects[plane.objects > 0]):
        assert len(np.unique(mask[plane.objects == label])) == 1


def test_of_five_images_one_validates():
    planes = _planes(3, whole=True, planes=5)
    masks = hold_out(planes, 0, instances=True).masks
    assert sorted(mask.all() for mask in masks) == [False] * 4 + [True]
    assert sum(mask.any() for mask in masks) == 1


def test_strokes_of_one_number_are_told_apart_where_objects_are_what_is_connected():
    (plane,) = _planes(10)
    plane.objects[plane.objects > 0] = 1
    assert hold_out([plane], 0, instances=False).objects == 10
    assert hold_out([plane], 0, instances=True).objects == 1


@pytest.mark.parametrize("instances", [True, False])
def test_the_seed_decides(instances):
    planes = _planes(10)
    masks = [hold_out(planes, seed, instances=instances).masks[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
