"""Linking of planes: ellipsoids whose number is known, and what must stay apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.link import LabelRuns, PlaneLinker, count_overlaps, object_areas
from napari_cytosynth.tasks.link import overlaps as overlaps_module
from napari_cytosynth.tasks.link.overlaps import SharedPixels, best_pairs

EIGHT = np.ones((3, 3), bool)


def linked(volume, minimum=0.25):
    """Label and link the planes of a mask (Z, Y, X); return the linking and the labels."""
    planes = [ndimage.label(plane, EIGHT, output=np.int32)[0] for plane in volume]
    linker = PlaneLinker(minimum)
    for plane in planes:
        linker.add(plane)
    linking = linker.linking()
    return linking, np.stack([linking.relabel(z, plane) for z, plane in enumerate(planes)])


def ellipsoid(shape, centre, radii):
    grid = np.indices(shape, dtype=float)
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def discs(*planes, shape=(40, 40)):
    """A mask with a disc (y, x, radius) in each plane, or None."""
    y, x = np.indices(shape)
    empty = np.zeros(shape, bool)
    return np.stack(
        [empty if d is None else (y - d[0]) ** 2 + (x - d[1]) ** 2 <= d[2] ** 2 for d in planes]
    )


@pytest.mark.parametrize("seed", range(8))
def test_each_ellipsoid_is_one_object_down_to_its_last_slices(seed):
    random = np.random.default_rng(seed)
    shape, truth = (24, 96, 96), np.zeros((24, 96, 96), int)
    places = [(y, x) for y in (16, 48, 80) for x in (16, 48, 80)]
    for number, (y, x) in enumerate(places, 1):
        centre = (random.uniform(8, 16), y + random.uniform(-2, 2), x + random.uniform(-2, 2))
        # slices of 1 to 5 planes in each direction, wide and narrow
        radii = (random.uniform(1, 6), *random.uniform(4, 11, 2))
        truth[ellipsoid(shape, centre, radii)] = number
    linking, labels = linked(truth > 0)
    assert linking.count == len(places)
    for number in range(1, len(places) + 1):
        assert len(np.unique(labels[truth == number])) == 1


def test_ellipsoids_that_touch_in_the_projection_only_stay_two():
    shape = (20, 60, 60)
    mask = ellipsoid(shape, (5, 25, 25), (4, 9, 9)) | ellipsoid(shape, (14, 33, 33), (4, 9, 9))
    assert ndimage.label(mask.any(0), EIGHT)[1] == 1
    assert linked(mask)[0].count == 2


def test_two_in_one_column_are_one_only_across_a_single_missing_plane():
    disc = (20, 20, 8)
    assert linked(discs(disc, disc, None, disc, disc))[0].count == 1
    assert linked(discs(disc, disc, None, None, disc, disc))[0].count == 2


def test_a_gap_is_not_bridged_past_an_object_that_goes_on():
    linker = PlaneLinker()
    whole, left, right = (np.zeros((20, 40), np.int32) for _ in range(3))
    whole[5:15, 5:35] = 1
    left[5:15, 5:20] = 1
    right[5:15, 6:20], right[5:15, 21:35] = 1, 2
    for plane in (whole, left, right):
        linker.add(plane)
    linking = linker.linking()
    # the right half was seen two planes before, in an object that went on to the left
    assert [numbers.tolist() for numbers in linking.numbers] == [[0, 1], [0, 1], [0, 1, 2]]


def test_of_two_halves_the_better_one_goes_on():
    one, two = np.zeros((20, 40), np.int32), np.zeros((20, 40), np.int32)
    one[5:15, 5:35] = 1
    two[5:15, 5:15], two[5:15, 16:35] = 1, 2
    linker = PlaneLinker()
    linker.add(one)
    linker.add(two)
    assert linker.linking().numbers[1].tolist() == [0, 2, 1]


def test_too_small_an_overlap_is_none():
    assert linked(discs((20, 14, 6), (20, 22, 6)))[0].count == 2
    assert linked(discs((20, 17, 6), (20, 21, 6)))[0].count == 1
    assert linked(discs((20, 17, 6), (20, 21, 6)), minimum=0.9)[0].count == 2


def test_a_small_object_that_goes_on_is_no_last_slice_of_a_large_one():
    large, small = (20, 20, 12), (20, 20, 4)
    assert linked(discs(large, large, small))[0].count == 1
    assert linked(discs(small, large, large))[0].count == 1
    assert linked(discs(large, large, small, small, small))[0].count == 2
    # beside it, not inside
    assert linked(discs(large, large, (20, 32, 4)))[0].count == 2


def test_a_small_slice_between_two_objects_does_not_join_them():
    left, right, between = (20, 14, 9), (20, 27, 9), (20, 20, 2)
    linking, labels = linked(discs(left, left, between, right, right))
    assert linking.count == 2
    assert labels[1, 20, 14] != labels[3, 20, 27]
    assert labels[2, 20, 20] in (labels[1, 20, 14], labels[3, 20, 27])


def test_planes_without_objects_and_ids_without_pixels():
    assert linked(np.zeros((3, 8, 8), bool))[0].count == 0
    assert PlaneLinker().linking().count == 0
    linker = PlaneLinker()
    plane = np.zeros((8, 8), np.uint16)
    plane[2:5, 2:5] = 7
    for _ in range(2):
        linker.add(plane)
    linking = linker.linking()
    assert linking.count == 1
    assert linking.numbers[1].tolist() == [0] * 7 + [1]


def test_an_object_is_alive_as_long_as_one_of_its_planes_is():
    disc, other = (10, 10, 5), (30, 30, 5)
    mask = discs(disc, disc, disc) | discs(None, other, None)
    linking, _ = linked(mask)
    assert [len(numbers) - 1 for numbers in linking.numbers] == [1, 2, 1]

    def flags(*planes):
        return linking.count_alive([np.array(plane, bool) for plane in planes])

    assert linking.count == 2
    assert flags([1], [1, 1], [1]) == 2
    assert flags([0], [1, 0], [0]) == 1
    assert flags([0], [0, 1], [0]) == 1
    assert flags([0], [0, 0], [0]) == 0


def test_what_is_no_plane_of_labels_is_refused():
    linker = PlaneLinker()
    with pytest.raises(InputError, match="Planes of labels"):
        linker.add(np.zeros((2, 3, 3), int))
    with pytest.raises(InputError, match="below 0"):
        linker.add(np.full((3, 3), -1))
    linker.add(np.zeros((3, 3), int))
    with pytest.raises(InputError, match="cannot be linked with one of"):
        linker.add(np.zeros((3, 4), int))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.05, 0.6))
def test_every_pixel_has_a_number_and_all_numbers_are_used(seed, depth, share):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(depth, 24, 24)), 1)
    mask = noise > np.quantile(noise, 1 - share)
    linking, labels = linked(mask)
    np.testing.assert_array_equal(labels > 0, mask)
    assert np.unique(labels[labels > 0]).tolist() == list(range(1, linking.count + 1))
    for plane in labels:  # at most one object of a plane has a number
        assert ndimage.label(plane > 0, EIGHT)[1] == len(np.unique(plane[plane > 0]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlaps_and_pairs_are_those_of_a_plain_loop(seed):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 6, (2, 12, 15))
    found = count_overlaps(first, second)
    expected = {
        (a, b): int(((first == a) & (second == b)).sum())
        for a in range(1, 6)
        for b in range(1, 6)
        if ((first == a) & (second == b)).any()
    }
    got = zip(found.first.tolist(), found.second.tolist(), found.pixels.tolist(), strict=True)
    assert {(a, b): n for a, b, n in got} == expected
    scores = random.integers(0, 4, len(found.first)).astype(float)
    free_first, free_second, taken = set(range(6)), set(range(6)), []
    triples = zip((-scores).tolist(), found.first.tolist(), found.second.tolist(), strict=True)
    for _, a, b in sorted(triples):
        if a in free_first and b in free_second:
            taken.append((a, b))
            free_first.remove(a)
            free_second.remove(b)
    best = best_pairs(found, scores)
    assert sorted(zip(best.first.tolist(), best.second.tolist(), strict=True)) == sorted(taken)
    assert isinstance(best, SharedPixels)


@pytest.mark.parametrize("table", [0, 2**18])
def test_overlaps_of_few_and_of_many_objects_are_those_of_every_pixel(monkeypatch, table):
    monkeypatch.setattr(overlaps_module, "_TABLE", table)
    random = np.random.default_rng(1)
    first, second = (np.repeat(random.integers(0, 90, (2, 40, 12)), 3, axis=2)).astype(np.uint16)
    second = np.roll(second, 1, axis=1)  # runs that begin elsewhere
    both = (first > 0) & (second > 0)
    pairs, pixels = np.unique(np.stack([first[both], second[both]]), axis=1, return_counts=True)
    found = count_overlaps(LabelRuns(first), second)
    np.testing.assert_array_equal([found.first, found.second, found.pixels], [*pairs, pixels])
    areas = np.bincount(first.ravel())
    areas[0] = 0
    np.testing.assert_array_equal(object_areas(first), areas)


def test_runs_get_other_numbers_without_the_plane():
    labels = np.array([[0, 1, 1, 0], [2, 2, 0, 2]], np.uint16)
    numbers = np.array([0, 7, 0], np.int32)
    renumbered = LabelRuns(labels).renumbered(numbers)
    np.testing.assert_array_equal(renumbered, numbers[labels])
    assert renumbered.dtype == np.int32
