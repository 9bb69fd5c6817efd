import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import reconstruction

from napari_cytosynth.tasks.segment.flows.widest_paths import enclosed, fill_heights, one_piece

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
EIGHT = np.ones((3, 3), bool)


@st.composite
def landscapes(draw):
    shape = draw(SHAPES)
    owner = draw(arrays(np.int32, shape, elements=st.integers(0, 2)))
    heights = draw(arrays(np.uint16, shape, elements=st.integers(1, 6)))
    return owner, heights, heights / 10


@settings(deadline=None, max_examples=150)
@given(landscapes())
def test_widths_are_those_of_reconstruction_object_by_object(case):
    owner, heights, probability = case
    found = one_piece(heights, owner, probability)
    for number in np.unique(owner[owner > 0]):
        inside = owner == number
        mask = np.where(inside, heights, 0).astype(float)
        seed = np.zeros_like(mask)
        top = np.where(inside, probability, -1).argmax()
        seed.flat[top] = mask.flat[top]
        expected = reconstruction(seed, mask, footprint=EIGHT)
        np.testing.assert_array_equal(found[inside], expected[inside])
    assert not found[owner == 0].any()


@settings(deadline=None, max_examples=150)
@given(landscapes())
def test_grey_filling_fills_the_holes_of_every_threshold(case):
    owner, heights, _ = case
    filled = fill_heights(heights, owner)
    for number in np.unique(owner[owner > 0]):
        inside = owner == number
        for level in range(1, 7):
            expected = ndimage.binary_fill_holes((heights >= level) & inside) & inside
            holes, _ = ndimage.label(~((heights >= level) & inside))
            open_to = np.unique(np.concatenate([holes[~inside], _edge(holes)]))
            # a hole with a pixel of another object is none
            expected &= (heights >= level) | ~np.isin(holes, open_to)
            np.testing.assert_array_equal((filled >= level) & inside, expected)


def _edge(plane):
    return np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])


def test_gaps_within_one_object_are_its_own():
    owner = np.zeros((9, 18), np.int32)
    owner[1:8, 1:8] = 1
    owner[3:6, 3:6] = 0
    owner[1:8, 10:17] = 2
    owner[3:6, 12:15] = 0
    owner[4, 13] = 3  # this gap holds another object
    found = enclosed(owner)
    assert (found[3:6, 3:6] == 1).all()
    np.testing.assert_array_equal(found[:, 9:], owner[:, 9:])


def test_gaps_at_the_border_or_between_two_objects_are_none():
    owner = np.zeros((7, 7), np.int32)
    owner[:, :4] = 1
    owner[2:4, 0] = 0
    owner[:, 4:] = 2
    owner[3, 3:5] = 0
    np.testing.assert_array_equal(enclosed(owner), owner)
