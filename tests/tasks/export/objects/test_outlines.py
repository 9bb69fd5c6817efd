from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.export.objects.filling import fill
from napari_cytosynth.tasks.export.objects.outlines import trace


def _area(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def _planes(labels):
    return [labels[index] for index in np.ndindex(*labels.shape[:-2])]


def test_filling_gives_the_same_pixels(case):
    for plane in _planes(case[0]):
        traced = trace(plane)
        filled = fill([found.polygons for found in traced], plane.shape)
        ids = np.array([0, *(found.label for found in traced)])
        np.testing.assert_array_equal(ids[filled.owner], plane)
        assert filled.contested == 0


def test_rings_are_simple_and_wound_by_the_right_hand(case):
    for plane in _planes(case[0]):
        for found in trace(plane)[:1000]:
            area = 0
            for polygon in found.polygons:
                areas = [_area(ring) for ring in polygon]
                assert areas[0] > 0
                assert all(hole < 0 for hole in areas[1:])
                area += sum(areas)
                for ring in polygon:
                    assert len(np.unique(ring, axis=0)) == len(ring) >= 4  # meets itself nowhere
                    steps = np.roll(ring, -1, axis=0) - ring
                    assert ((steps == 0).sum(axis=1) == 1).all()  # along the edges of pixels
                    turns = (steps == 0)[:, 0] != np.roll(steps == 0, -1, axis=0)[:, 0]
                    assert turns.all()  # no point within a straight side
            assert area == np.count_nonzero(plane == found.label)


def test_a_pixel_is_a_square_between_the_corners():
    plane = np.zeros((4, 5), int)
    plane[2, 3] = 9
    (found,) = trace(plane)
    assert (found.label, len(found.polygons)) == (9, 1)
    assert found.polygons[0][0].tolist() == [[3, 2], [4, 2], [4, 3], [3, 3]]


def test_pixels_that_touch_at_a_corner_are_pieces():
    (found,) = trace(np.eye(3, dtype=int))
    assert len(found.polygons) == 3


@pytest.mark.parametrize("opening", [(0, 0), (0, 2), (2, 0), (2, 2)])
def test_a_hole_that_is_open_at_a_corner_is_a_hole(opening):
    """One ring that meets itself there would be invalid for QuPath."""
    plane = np.ones((3, 3), int)
    plane[1, 1] = plane[opening] = 0
    (found,) = trace(plane)
    ((_shell, hole),) = found.polygons
    assert hole.min() == 1
    assert hole.max() == 2


def test_random_planes():
    rng = np.random.default_rng(0)
    for _ in range(300):
        plane = rng.integers(0, rng.integers(2, 5), rng.integers(1, 9, 2))
        test_filling_gives_the_same_pixels((plane, "YX"))
        test_rings_are_simple_and_wound_by_the_right_hand((plane, "YX"))
