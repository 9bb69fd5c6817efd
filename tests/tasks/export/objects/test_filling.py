from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.export.objects import filling
from napari_cytosynth.tasks.export.objects.filling import fill


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def test_a_pixel_is_inside_if_its_centre_is():
    owner = fill([[[box(0.4, 0.4, 2.6, 1.5)]]], (3, 4)).owner
    np.testing.assert_array_equal(owner, [[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("size", [3.0, 7.4, 20.0])
def test_a_circle_has_the_pixels_of_the_circle(size):
    angle = np.linspace(0, 2 * np.pi, 721)[:-1]
    circle = np.stack([25 + size * np.cos(angle), 24 + size * np.sin(angle)], axis=1)
    y, x = np.mgrid[:48, :50] + 0.5
    expected = (x - 25) ** 2 + (y - 24) ** 2 < size**2
    assert np.count_nonzero(fill([[[circle]]], (48, 50)).owner != expected) <= 4


def test_a_self_crossing_outline_is_filled_by_the_even_odd_rule():
    bow = np.array([[0, 0], [4, 4], [4, 0], [0, 4]], float)
    owner = fill([[[bow]]], (4, 4)).owner
    assert owner[1:3, 0].all()
    assert owner[1:3, 3].all()
    assert not owner[0, 1:3].any()
    twice = fill([[[np.tile(box(0, 0, 2, 2), (2, 1))]]], (2, 2)).owner
    assert not twice.any()  # walked around twice


def test_polygons_of_one_object_are_united():
    filled = fill([[[box(0, 0, 2, 1)], [box(1, 0, 3, 1)]]], (1, 4))
    np.testing.assert_array_equal(filled.owner, [[1, 1, 1, 0]])
    assert filled.contested == 0


@pytest.mark.parametrize("order", [1, -1])
def test_the_smaller_object_wins(order):
    large, small = [[box(0, 0, 4, 4)]], [[box(1, 1, 2, 3)]]
    filled = fill([large, small][::order], (4, 4))
    number = 2 if order == 1 else 1
    assert np.count_nonzero(filled.owner == number) == 2
    assert filled.contested == 2


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_chunks_do_not_matter(monkeypatch, chunk):
    rng = np.random.default_rng(0)
    objects = [[[rng.uniform(-3, 12, (n, 2))]] for n in rng.integers(3, 7, 40)]
    whole = fill(objects, (9, 10))
    monkeypatch.setattr(filling, "_CHUNK", chunk)
    parts = fill(objects, (9, 10))
    np.testing.assert_array_equal(parts.owner, whole.owner)
    assert parts.contested == whole.contested > 0


@pytest.mark.parametrize("polygon", [[], [np.zeros((0, 2))], [np.zeros((1, 2))], [box(5, 5, 5, 9)]])
def test_what_has_no_area_has_no_pixel(polygon):
    assert not fill([[polygon]], (9, 9)).owner.any()


def test_coordinates_far_away():
    far = box(-1e300, -1e300, 1e300, 1e300)
    assert fill([[[far]]], (3, 4)).owner.all()
    assert not fill([[[far + 1e305]]], (3, 4)).owner.any()
    skew = np.array([[-1e308, -1e308], [1e308, 1e308], [1e308, -1e308]])
    fill([[[skew]]], (3, 4))  # no warning


def test_too_much_is_refused():
    tall = [[np.tile(box(0, 0, 1, 1e9), (1000, 1))]]
    with pytest.raises(InputError, match="Filling these outlines would need"):
        fill([tall], (10**9, 0))
