"""Corrections by hand: what a gesture does, and that it holds at other thresholds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.correct import (
    Correction,
    Corrections,
    Mask,
    apply_corrections,
    correct_plane,
    make_correction,
)


def _hills(*middles: tuple[int, int], radius: float = 8, shape=(60, 90)) -> np.ndarray:
    """Probability of round objects, 1 in the middle and falling outwards."""
    y, x = np.indices(shape)
    hills = [1 - np.hypot(y - a, x - b) / (2 * radius) for a, b in middles]
    return np.clip(np.max(hills, axis=0), 0, 1).astype(np.float32)


def _labels(probability: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    return ndimage.label(probability >= threshold)[0].astype(np.int32)


@pytest.fixture
def apart() -> np.ndarray:
    """Three objects with room between them."""
    return _hills((30, 15), (30, 45), (30, 75))


@pytest.fixture
def joined() -> np.ndarray:
    """Two objects that touch, which a threshold of 0.5 does not part."""
    return _hills((30, 20), (30, 34))


def test_merged_objects_have_one_number_and_others_keep_theirs(apart):
    labels = _labels(apart)
    merged = make_correction("merge", [(30, 15), (28, 45)], labels, apart)
    correct_plane(labels, (merged,))
    assert labels[30, 15] == labels[30, 45] == 1
    assert labels[30, 75] == 3


def test_a_deleted_object_is_gone_and_no_other(apart):
    labels = _labels(apart)
    before = labels.copy()
    correct_plane(labels, (make_correction("delete", [(33, 46)], labels, apart),))
    assert not labels[before == 2].any()
    assert np.array_equal(labels[before != 2], before[before != 2])


@pytest.mark.parametrize("line", [[(10, 27), (50, 27)], [(27, 27), (33, 27)]])
def test_a_line_cuts_an_object_also_where_it_ends_inside(joined, line):
    labels = _labels(joined)
    assert labels.max() == 1
    correct_plane(labels, (make_correction("cut", line, labels, joined),))
    assert labels[30, 20] != labels[30, 34]
    areas = np.bincount(labels.ravel())[1:]
    assert areas.sum() == (joined >= 0.5).sum()  # no pixel is lost under the line
    assert abs(areas[0] - areas[1]) < 0.1 * areas.sum()


def test_an_outline_snaps_to_the_probability(apart):
    found = np.zeros(apart.shape, np.int32)
    corners = [(20, 35), (20, 55), (40, 55), (40, 35)]
    painted = make_correction("paint", corners, found, apart)
    correct_plane(found, (painted,))
    mask = found > 0
    assert mask[30, 45]
    near = np.hypot(*(np.indices(mask.shape) - np.array([30, 45])[:, None, None])) < 14
    assert apart[mask].min() >= apart[near & ~mask].max()  # along a contour
    square = np.zeros_like(mask)
    square[20:41, 35:56] = True
    assert (mask & square).sum() / (mask | square).sum() > 0.6
    assert not np.array_equal(mask, square)


def test_an_outline_where_the_model_saw_nothing_stays_as_it_was_drawn():
    empty = np.zeros((40, 40), np.float32)
    labels = np.zeros((40, 40), np.int32)
    correct_plane(labels, (make_correction("paint", [(9, 9), (9, 20), (20, 20), (20, 9)],
                                           labels, empty),))  # fmt: skip
    assert 100 <= (labels > 0).sum() <= 144


def test_a_painted_object_takes_no_pixel_of_another(apart):
    labels = _labels(apart)
    before = labels.copy()
    correct_plane(labels, (make_correction("paint", [(10, 5), (10, 32), (50, 32), (50, 5)],
                                           labels, apart),))  # fmt: skip
    assert np.array_equal(labels[before > 0], before[before > 0])
    assert labels.max() == 4


@pytest.mark.parametrize("threshold", [0.35, 0.6, 0.8])
def test_corrections_hold_at_other_thresholds(apart, joined, threshold):
    labels = _labels(apart)
    both = Corrections().add(make_correction("merge", [(30, 15), (30, 75)], labels, apart))
    both = both.add(make_correction("delete", [(30, 45)], labels, apart))
    again = _labels(apart, threshold)
    applied = apply_corrections(again, "YX", both, linked=False)
    assert again[30, 15] == again[30, 75] > 0
    assert again[30, 45] == 0
    assert not applied.open
    cut = make_correction("cut", [(10, 27), (50, 27)], _labels(joined), joined)
    again = _labels(joined, threshold)
    assert not correct_plane(again, (cut,)).open
    assert again[30, 20] != again[30, 34]


def test_a_correction_whose_object_is_gone_or_has_grown_into_others_is_named(joined):
    high = _labels(joined, 0.7)  # two objects
    assert high.max() == 2
    one = make_correction("delete", [(30, 20)], high, joined)
    low = _labels(joined, 0.4)
    kept = low.copy()
    assert correct_plane(low, (one,)).open == [one]
    assert np.array_equal(low, kept)  # the neighbour is not deleted with it
    assert correct_plane(np.zeros_like(low), (one,)).open == [one]


def test_the_last_correction_of_an_object_names_it(apart):
    labels = _labels(apart)
    every = Corrections().add(make_correction("accept", [(30, 15)], labels, apart))
    every = every.add(make_correction("merge", [(30, 15), (30, 45)], labels, apart))
    every = every.add(make_correction("accept", [(30, 75)], labels, apart))
    applied = apply_corrections(labels, "YX", every, linked=False)
    assert applied.names == {1: "merged", 3: "accepted"}


def test_in_a_linked_stack_objects_are_corrected_in_all_planes(joined):
    plane = _labels(joined)
    stack = np.stack([plane, plane, plane])
    cut = make_correction("cut", [(10, 27), (50, 27)], plane, joined, (1,))
    apply_corrections(stack, "ZYX", Corrections((cut,)), linked=True)
    assert (stack[:, 30, 20] == stack[0, 30, 20]).all()
    assert (stack[:, 30, 34] == stack[0, 30, 34]).all()
    assert stack[0, 30, 20] != stack[0, 30, 34]
    gone = make_correction("delete", [(30, 34)], stack[2], joined, (2,))
    apply_corrections(stack, "ZYX", Corrections((gone,)), linked=True)
    assert not stack[:, 30, 34].any()
    assert stack[:, 30, 20].all()


def test_in_planes_that_are_not_linked_the_others_stay(apart):
    plane = _labels(apart)
    stack = np.stack([plane, np.where(plane, plane + 3, 0)]).astype(np.int32)
    gone = make_correction("delete", [(30, 45)], stack[1], apart, (1,))
    apply_corrections(stack, "TYX", Corrections((gone,)), linked=False)
    assert stack[0, 30, 45] == 2
    assert stack[1, 30, 45] == 0


@pytest.mark.parametrize(
    ("kind", "points", "sentence"),
    [
        ("delete", [(2, 2)], "no object at this point"),
        ("delete", [(-5, 200)], "no object at this point"),
        ("merge", [(30, 15)], "needs two points"),
        ("merge", [(30, 15), (31, 16)], "in the same object"),
        ("cut", [(2, 2), (4, 80)], "through no object"),
        ("cut", [(30, 15)], "Draw a line"),
        ("accept", [(float("nan"), 15)], "two numbers"),
        ("cut", [(30, 15, 0), (30, 20, 0)], "two numbers"),
        ("paint", [(30, 15), (30, 16)], "Draw around"),
        ("paint", [(29, 44), (29, 46), (31, 46), (31, 44)], "no free pixel"),
        ("spill", [(1, 1)], "There is no correction"),
    ],
)
def test_what_cannot_be_done_is_said(apart, kind, points, sentence):
    with pytest.raises(InputError, match=sentence):
        make_correction(kind, points, _labels(apart), apart)


def test_records_survive_json(apart):
    labels = _labels(apart)
    made = Corrections().mark((3,))
    for kind, points in (
        ("merge", [(30, 15), (30, 45)]),
        ("cut", [(10, 75), (50, 75)]),
        ("accept", [(30, 75)]),
        ("paint", [(2, 2), (2, 9), (9, 9)]),
    ):
        made = made.add(make_correction(kind, points, labels, apart, (0,)))
    assert Corrections.from_record(json.loads(json.dumps(made.record()))) == made
    assert not Corrections()
    assert made.mark((3,), seen=False).looked_at == frozenset()


@pytest.mark.parametrize(
    "record", [{}, {"done": [{"kind": "spill", "plane": []}], "looked_at": []}, {"done": 3}]
)
def test_foreign_records_are_refused(record):
    with pytest.raises(InputError, match="cannot be read"):
        Corrections.from_record(record)


def test_masks_are_what_they_were():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 1.0):
        inside = rng.random((13, 17)) < share
        inside[5, 5] = True
        again = np.zeros_like(inside)
        where, pixels = Mask.of(inside).pixels()
        again[where] = pixels
        assert np.array_equal(again, inside)


def test_a_correction_is_a_plain_value(apart):
    labels = _labels(apart)
    made = make_correction("delete", [(30, 45)], labels, apart)
    assert isinstance(made, Correction)
    assert made.targets[0].anchor == (30, 45)  # the most probable pixel
