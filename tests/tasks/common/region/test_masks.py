"""Pixels at the border of a region, its box, and regions without a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.region import RegionMasks
from napari_cytosynth.tasks.common.region.shapes import Area, Region

SQUARE = np.array([[2, 3], [2, 8], [6, 8], [6, 3]], float)


def masks_of(vertices, shape=(10, 12)):
    return RegionMasks(Region((Area(np.asarray(vertices, float)),)), shape)


def test_the_border_of_the_image_is_none_of_the_region():
    inside = np.zeros((10, 12), bool)
    inside[2:7, 3:9] = True
    inside[3:6, 4:8] = False
    edge = np.zeros((10, 12), bool)
    edge.ravel()[masks_of(SQUARE).edge()] = True
    np.testing.assert_array_equal(edge, inside)
    assert len(masks_of([[-5, -5], [-5, 30], [30, 30], [30, -5]]).edge()) == 0


def test_labels_that_touch_the_border():
    labels = np.zeros((10, 12), int)
    labels[4, 4:7], labels[2, 5], labels[0, 0] = 1, 2, 3
    assert masks_of(SQUARE).touched((), labels).tolist() == [2]


def test_the_box_is_tight():
    assert masks_of(SQUARE).box() == (slice(2, 7), slice(3, 9))
    outside = masks_of(SQUARE + 100)
    assert outside.box() is None
    with pytest.raises(InputError, match="No pixel of this plane of the image lies in the region"):
        outside.check([()])
    assert masks_of(SQUARE).check([()]) == []
