from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.teach.segment.pairs import read_pairs

IMAGE = np.random.default_rng(0).random((40, 40)).astype(np.float32)


def _strokes():
    """One object with paint all around it, one without, and a line of background."""
    strokes = np.zeros((40, 40), int)
    strokes[4:14, 4:14] = 1
    strokes[6:12, 6:12] = 2
    strokes[20:30, 20:24] = 3
    strokes[35] = 1
    return strokes


def test_sparse_labels_tell_background_objects_and_whose_outline_is_known():
    (plane,) = read_pairs([(IMAGE, _strokes())], sparse=True)
    assert plane.annotated[8, 8] == 1  # finished
    assert plane.annotated[25, 22] == 2  # a stroke
    assert plane.annotated[35, 0] == plane.annotated[5, 5] == 1
    assert plane.annotated[0, 0] == 0
    assert sorted(np.unique(plane.objects)) == [0, 1, 2]
    assert plane.objects[35, 0] == 0
    assert not plane.whole


def test_the_image_is_copied():
    image = IMAGE.copy()
    (plane,) = read_pairs([(image, _strokes())], sparse=True)
    image[:] = 0
    np.testing.assert_array_equal(plane.image, IMAGE)


def test_full_labels_are_known_everywhere_and_masks_of_segment_are_read_as_they_are():
    labels = np.where(_strokes() > 1, _strokes(), 0)
    (full,) = read_pairs([(IMAGE, labels)], sparse=False)
    assert full.whole
    known = np.zeros((40, 40), np.uint8)
    known[:30, :30] = 1
    (some,) = read_pairs([(IMAGE, labels, known)], sparse=True)
    np.testing.assert_array_equal(some.annotated, known)
    np.testing.assert_array_equal(some.objects > 0, (labels > 0) & (known > 0))
    assert set(np.unique(some.objects)) == {0, 1, 2}  # numbered without gaps


def test_layers_have_names_and_stacks_give_the_planes_that_are_annotated():
    stack = SimpleNamespace(
        data=np.stack([IMAGE] * 3), name="my stack", scale=np.ones(3), translate=np.zeros(3)
    )
    strokes = np.zeros((3, 40, 40), int)
    strokes[1] = _strokes()
    (plane,) = read_pairs([(stack, strokes)], sparse=True)
    assert plane.source == "my stack"


def _changed(**places):
    strokes = _strokes()
    for value in places.values():
        strokes[strokes == value] = 0
    return strokes


NAN = np.where(IMAGE > 0.99, np.nan, IMAGE)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "should be a list of"),
        (IMAGE, "should be a list of"),
        (3, "should be a list of"),
        ([(IMAGE,)], "should be a list of"),
        ([(IMAGE, _strokes()[:20])], "should have the same size"),
        ([(np.dstack([IMAGE] * 3)[:, 0, 0], np.zeros(40))], "not a grey image"),
        ([(IMAGE, _strokes() * 0.5)], "fractions"),
        ([(IMAGE, -_strokes())], "numbers below 0"),
        ([(IMAGE, _strokes() * 0)], "Nothing is annotated"),
        ([(IMAGE, _changed(a=2, b=3))], "Only background is painted"),
        ([(IMAGE, _changed(a=1))], "Only objects are painted"),
        ([(IMAGE, _changed(a=3))], "Only one object is painted"),
        ([(NAN, _strokes())], "NaN"),
    ],
)
def test_what_cannot_be_learned_from_is_said_in_a_sentence(pairs, message):
    with pytest.raises(InputError, match=message):
        read_pairs(pairs, sparse=True)
