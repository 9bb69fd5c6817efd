"""Lines that cut and outlines that snap, where objects are small, in pieces, or touch."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.correct.strokes import parts_beside, snap


def _boxes(*columns: tuple[int, int], shape=(40, 60), rows=(10, 30)) -> np.ndarray:
    plane = np.zeros(shape, bool)
    for left, right in columns:
        plane[rows[0] : rows[1], left:right] = True
    return plane


@pytest.mark.parametrize(
    ("shape", "line"),
    [((1, 2), [(-2, 0.5), (3, 0.5)]), ((2, 2), [(-2, 0.5), (3, 0.5)]),
     ((2, 2), [(0.5, -1), (0.5, 2)]), ((3, 2), [(-1, 0.5), (3, 0.5)]), ((9, 9), [(4, -1), (4, 9)])],
)  # fmt: skip
def test_objects_of_few_pixels_are_cut_too(shape, line):
    inside = np.pad(np.ones(shape, bool), 3)
    parts = parts_beside(inside, [(y + 3, x + 3) for y, x in line])
    assert parts is not None
    assert parts.shape == inside.shape
    sizes = np.bincount(parts[inside])[1:]
    assert sizes.sum() == np.prod(shape)
    assert abs(int(sizes[0]) - int(sizes[1])) <= max(shape)


def test_a_single_pixel_and_a_line_beside_an_object_cut_nothing():
    single = np.pad(np.ones((1, 1), bool), 3)
    assert parts_beside(single, [(0, 3), (6, 3)]) is None
    assert parts_beside(_boxes((10, 20)), [(0, 40), (39, 40)]) is None


def test_of_an_object_in_two_pieces_the_one_under_the_line_is_cut():
    inside = _boxes((5, 25), (35, 55))
    parts = parts_beside(inside, [(5, 12), (35, 12)])
    assert parts is not None
    left = parts[inside & (np.arange(60) < 30)]
    assert 2 <= len(np.unique(parts[inside])) <= 2
    assert len(np.unique(left)) == 2  # along the line, not between the pieces
    within = parts_beside(inside, [(15, 22), (15, 22.4)])
    assert within is None or len(np.unique(within[inside & (np.arange(60) < 30)])) == 2


@pytest.fixture
def pair():
    """Two touching objects of one probability, and where the flows of their pixels end."""
    both = _boxes((10, 30), (30, 50))
    probability = np.where(both, 0.9, 0.01).astype(np.float32)
    gathered = np.where(both, np.where(np.arange(60) < 30, 4, 9), 0)
    return probability, gathered


def test_flows_give_the_border_that_the_probability_does_not_have(pair):
    probability, gathered = pair
    drawn = np.zeros(probability.shape, bool)
    drawn[8:32, 8:33] = True  # sloppily, into the neighbour
    free = np.ones_like(drawn)
    alone = snap(drawn, probability, free)
    assert alone[15, 31]  # beyond the border
    np.testing.assert_array_equal(snap(drawn, probability, free, gathered), gathered == 4)


def test_flows_of_the_background_end_in_objects_too(pair):
    probability, gathered = pair
    basins = np.where(np.arange(60) < 30, 4, 9) * np.ones((40, 1), int)
    drawn = np.zeros(probability.shape, bool)
    drawn[8:32, 8:33] = True
    free = np.ones_like(drawn)
    np.testing.assert_array_equal(snap(drawn, probability, free, basins), gathered == 4)


def test_both_are_painted_as_one_where_both_are_drawn_around(pair):
    probability, gathered = pair
    drawn = np.zeros(probability.shape, bool)
    drawn[8:32, 8:52] = True
    painted = snap(drawn, probability, np.ones_like(drawn), gathered)
    np.testing.assert_array_equal(painted, gathered > 0)


def test_flows_that_fit_worse_than_the_probability_give_nothing(pair):
    probability, gathered = pair
    thirds = np.where(gathered > 0, 1 + np.arange(60) % 3, 0)  # ends that follow no object
    drawn = np.zeros(probability.shape, bool)
    drawn[9:31, 9:51] = True
    free = np.ones_like(drawn)
    strange = np.where(np.arange(40)[:, None] < 14, thirds, 0)
    np.testing.assert_array_equal(
        snap(drawn, probability, free, strange), snap(drawn, probability, free)
    )


def test_flows_that_end_nowhere_change_nothing(pair):
    probability, gathered = pair
    drawn = np.zeros(probability.shape, bool)
    drawn[9:31, 9:51] = True
    free = np.ones_like(drawn)
    nowhere = np.zeros_like(gathered)
    np.testing.assert_array_equal(
        snap(drawn, probability, free, nowhere), snap(drawn, probability, free)
    )
