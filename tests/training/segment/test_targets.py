from __future__ import annotations

import numpy as np

from napari_cytosynth.training.segment.recipe import TargetRecipe
from napari_cytosynth.training.segment.targets import distance_map, target_maps


def test_distance_peaks_at_one_in_every_object_whatever_its_size():
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:35] = 1
    labels[10:15, 45:50] = 2
    distance = distance_map(labels)
    assert distance[labels == 1].max() == 1
    assert distance[labels == 2].max() == 1
    assert not distance[labels == 0].any()


def test_distance_is_low_on_both_sides_of_a_contact():
    labels = np.zeros((20, 40), np.int32)
    labels[:, :20], labels[:, 20:] = 1, 2
    distance = distance_map(labels)
    assert distance[10, 19] <= 0.1
    assert distance[10, 20] <= 0.1
    assert distance[10, 10] > 0.9


def test_labels_give_two_channels_and_an_inverted_mask_one():
    labels = np.array([[0, 1], [2, 2]])
    mask = np.array([[255, 0], [0, 0]], np.uint8)
    targets = [
        TargetRecipe(folder="labels", kind="labels"),
        TargetRecipe(folder="membrane", invert=True),
    ]
    maps = target_maps([labels, mask], targets)
    assert maps.shape == (3, 2, 2)
    np.testing.assert_array_equal(maps[0], [[0, 1], [1, 1]])
    np.testing.assert_array_equal(maps[2], [[0, 1], [1, 1]])


def test_flows_are_two_channels_of_unit_vectors_that_lead_to_the_centre():
    labels = np.zeros((30, 40), np.int32)
    labels[5:20, 8:29] = 7
    target = TargetRecipe(folder="labels", kind="labels", decoder="flows")
    foreground, down, right = target_maps([labels], [target])
    assert not down[foreground == 0].any()
    np.testing.assert_allclose(np.hypot(down, right)[(labels > 0)].max(), 1, atol=1e-6)
    assert down[5, 18] > 0.9 > -0.9 > down[19, 18]
    assert right[12, 8] > 0.9 > -0.9 > right[12, 28]


def test_a_dark_cell_painted_over_with_its_membranes_is_a_cell():
    mask = np.zeros((60, 60), np.uint8)
    mask[:, 10:16] = 255  # a membrane
    mask[10:50, 30:50] = 255  # a dark cell, painted over
    (cells,) = target_maps([mask], [TargetRecipe(folder="membrane", invert=True, depth=6)])
    assert not cells[:, 10:16].any()
    assert cells[20:40, 36:44].all()
    assert not cells[10:50, 30:36].any()  # its own membrane stays
    (before,) = target_maps([mask], [TargetRecipe(folder="membrane", invert=True)])
    assert not before[10:50, 30:50].any()
    everything = np.full((20, 20), 255, np.uint8)
    (none,) = target_maps([everything], [TargetRecipe(folder="membrane", invert=True, depth=6)])
    assert not none.any()
