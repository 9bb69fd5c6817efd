from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane
from napari_cytosynth.zoo.card import Splitting


def plane_with(*discs, shape=(64, 64)):
    plane = np.zeros(shape, np.float32)
    for y, x, radius in discs:
        plane[disk((y, x), radius, shape=shape)] = 0.9
    return plane


def test_objects_at_or_above_the_threshold_are_counted():
    plane = plane_with((15, 15, 6), (45, 45, 8))
    plane[60, 5] = 0.3
    labels = label_plane(plane, None, LabelOptions(0.9))
    assert labels.dtype == np.int32
    assert labels.max() == 2
    assert label_plane(plane, None, LabelOptions(0.3)).max() == 3
    assert label_plane(plane, None, LabelOptions(0.95)).max() == 0


def test_nan_is_background():
    plane = np.full((5, 5), np.nan, np.float32)
    assert not label_plane(plane, None, LabelOptions(0.0)).any()


def test_small_objects_go_and_ids_stay_without_gaps():
    plane = plane_with((15, 15, 2), (45, 45, 8), (10, 50, 8))
    labels = label_plane(plane, None, LabelOptions(0.5, min_size=50))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert labels[15, 15] == 0


def test_filled_hole_swallows_what_lies_inside():
    plane = plane_with((32, 32, 20))
    plane[disk((32, 32), 12)] = 0
    plane[disk((32, 32), 4)] = 0.9
    assert label_plane(plane, None, LabelOptions(0.5)).max() == 2
    filled = label_plane(plane, None, LabelOptions(0.5, fill_holes=True))
    assert filled.max() == 1
    assert filled[32, 22] == 1


def test_border_objects_go():
    plane = plane_with((0, 10, 6), (32, 32, 6), (40, 63, 5))
    labels = label_plane(plane, None, LabelOptions(0.5, drop_border=True))
    assert labels.max() == 1
    assert labels[32, 32] == 1


@pytest.mark.parametrize("with_channel", [True, False])
def test_touching_discs_are_split(with_channel):
    plane = plane_with((32, 22, 11), (32, 42, 11))
    assert label_plane(plane, None, LabelOptions(0.5)).max() == 1
    seeds = splitting = None
    if with_channel:
        seeds = plane_with((32, 22, 4), (32, 42, 4))
        splitting = Splitting(channel="distance", seed_threshold=0.5, smoothing=1)
    labels = label_plane(plane, seeds, LabelOptions(0.5, split_touching=True), splitting)
    assert labels.max() == 2
    assert labels[32, 22] != labels[32, 42]
    assert ((labels > 0) == (plane > 0)).all()


def test_object_without_a_seed_is_kept():
    plane = plane_with((15, 15, 8), (45, 45, 8))
    seeds = plane_with((15, 15, 3))
    splitting = Splitting(channel="d", seed_threshold=0.5)
    labels = label_plane(plane, seeds, LabelOptions(0.5, split_touching=True), splitting)
    assert labels.max() == 2


def test_tiny_seeds_are_ignored():
    plane = plane_with((32, 32, 12))
    seeds = plane_with((32, 26, 4), (32, 40, 1))
    splitting = Splitting(channel="d", seed_threshold=0.5, min_seed_size=5)
    labels = label_plane(plane, seeds, LabelOptions(0.5, split_touching=True), splitting)
    assert labels.max() == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (1, 1)])
def test_planes_without_content(shape):
    options = LabelOptions(0.5, 3, True, True, True)
    assert label_plane(np.zeros(shape, np.float32), None, options).shape == shape


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        LabelOptions(1.5)
    with pytest.raises(InputError, match="One plane"):
        label_plane(np.zeros((2, 3, 4), np.float32), None, LabelOptions(0.5))


def test_without_a_seed_channel_only_real_necks_are_cut():
    rod = np.zeros((40, 90), np.float32)
    rod[15:26, 5:85] = 0.9
    rod[14, 20:60:7] = 0.9  # a ragged outline
    options = LabelOptions(0.5, split_touching=True)
    assert label_plane(rod, None, options).max() == 1
    rod[15:18, 45:48] = rod[23:26, 45:48] = 0
    assert label_plane(rod, None, options).max() == 2
