"""Pixels in polygons: those that scikit-image finds, in less time."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon

from napari_cytosynth.tasks.common.region.fill import fill_polygon
from napari_cytosynth.tasks.common.region.shapes import Area


def filled(*rings, shape=(40, 50), corner=(0, 0)):
    mask = np.zeros(shape, bool)
    fill_polygon(mask, [np.asarray(ring, float) for ring in rings], corner)
    return mask


def by_skimage(ring, shape=(40, 50)):
    mask = np.zeros(shape, bool)
    mask[polygon(*np.asarray(ring, float).T, shape)] = True
    return mask


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("grid", [1, 0.5, 0])
def test_it_is_as_scikit_image_fills(seed, grid):
    # crossing itself, reaching out of the plane, with corners and sides on centres of pixels
    ring = np.random.default_rng(seed).uniform(-10, 55, (3 + seed % 6, 2))
    ring = np.round(ring / grid) * grid if grid else ring
    found, expected = filled(ring), by_skimage(ring)
    # a centre on a slanting side is a matter of rounding
    assert np.count_nonzero(found != expected) <= (4 if grid else 0)


@pytest.mark.parametrize(
    "ring",
    [
        [[5, 5], [5, 20], [30, 20], [30, 5]],
        [[5, 5], [30, 20], [5, 20], [30, 5]],  # a bow tie
        [[5, 5], [5, 5], [5, 5]],
        [[100, 100], [120, 100], [100, 130]],
        [[-50, -50], [-50, 100], [100, 100], [100, -50]],
    ],
)
def test_edges_and_corners_are_inside(ring):
    np.testing.assert_array_equal(filled(ring), by_skimage(ring))


def test_a_ring_within_is_a_hole():
    outer, hole = ([[2.5, 2.5], [2.5, 30.5], [30.5, 30.5], [30.5, 2.5]], [[9.5, 9.5], [9.5, 20.5],
                   [20.5, 20.5], [20.5, 9.5]])  # fmt: skip
    found = filled(outer, hole)
    assert found.sum() == 28 * 28 - 11 * 11
    assert not found[10:21, 10:21].any()


def test_a_part_is_a_part_of_the_whole():
    ring = np.random.default_rng(3).uniform(0, 40, (7, 2))
    whole = filled(ring)
    np.testing.assert_array_equal(filled(ring, shape=(13, 22), corner=(9, 20)), whole[9:22, 20:42])


def test_a_large_ellipse():
    corners = np.array([[0, 0], [0, 4095], [4095, 4095], [4095, 0]], float)
    found = filled(*Area(corners, ellipse=True).rings, shape=(4096, 4096))
    assert abs(found.mean() - np.pi / 4) < 1e-3
