from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import expit

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane
from napari_cytosynth.tasks.segment.tree import ComponentTree, ranks, slider_levels


def noise(shape, seed, smoothing=1.0):
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smoothing)
    return expit(4 * values / (values.std() + 0.1)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
    smoothing=st.sampled_from([0.0, 0.7, 2.0]),
    threshold=st.integers(0, 1000).map(lambda k: k / 1000),
    min_size=st.sampled_from([0, 1, 5]),
    fill_holes=st.booleans(),
    drop_border=st.booleans(),
)
def test_every_threshold_gives_what_labelling_gives(
    shape, seed, smoothing, threshold, min_size, fill_holes, drop_border
):
    plane = noise(shape, seed, smoothing)
    options = LabelOptions(threshold, min_size, fill_holes, False, drop_border)
    view = ComponentTree(plane).at(threshold, options)
    expected = label_plane(plane, None, options)
    np.testing.assert_array_equal(view.labels, expected)
    np.testing.assert_array_equal(view.areas, np.bincount(expected.ravel())[1:])
    assert view.count == expected.max()
    assert view.total_area == (expected > 0).sum()


def test_rings_in_rings_are_filled_to_one_object():
    y, x = np.mgrid[-30:31, -30:31]
    radius = np.hypot(y, x)
    plane = np.where((radius // 4) % 2 == 0, 0.8, 0.1).astype(np.float32)
    options = LabelOptions(0.5, fill_holes=True)
    view = ComponentTree(plane).at(0.5, options)
    np.testing.assert_array_equal(view.labels, label_plane(plane, None, options))


def test_the_models_own_threshold_is_exact():
    plane = np.full((4, 4), 0.42371, np.float32)
    plane[0] = 0.42369
    assert ComponentTree(plane, [0.4237]).at(0.4237).total_area == 12
    assert ComponentTree(plane).at(0.4237).threshold == pytest.approx(0.424)


def test_low_thresholds_are_fine_grained():
    plane = np.linspace(0.01, 0.0109, 10, dtype=np.float32)[None] + np.float32(1e-6)
    tree = ComponentTree(plane)
    assert [tree.at(0.01 + k * 1e-4).total_area for k in range(10)] == list(range(10, 0, -1))


def test_labels_are_written_into_the_given_array():
    plane = noise((20, 30), 1)
    out = np.full((20, 30), 7, np.int32)
    view = ComponentTree(plane).at(0.5, out=out)
    assert view.labels is out
    np.testing.assert_array_equal(out, label_plane(plane, None, LabelOptions(0.5)))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, np.nan])
def test_constant_planes(value):
    plane = np.full((6, 5), value, np.float32)
    view = ComponentTree(plane).at(0.5, LabelOptions(0.5, fill_holes=True))
    assert view.total_area == (30 if value >= 0.5 else 0)


@pytest.mark.parametrize("fill_holes", [False, True])
def test_flat_areas_of_any_shape(fill_holes):
    y, x = np.mgrid[:60, :60]
    turn = np.hypot(y - 30, x - 30) / 8 + np.arctan2(y - 30, x - 30) / (2 * np.pi)
    plane = np.where(turn % 1 < 0.5, 0.7, np.where(noise((60, 60), 3, 4) > 0.5, 0.3, 0.7))
    plane[::7] = 0.3  # flat spirals, crossed by lines, joined here and there
    plane[:, 20] = np.nan
    tree = ComponentTree(plane.astype(np.float32))
    for threshold in (0.2, 0.5, 0.9):
        options = LabelOptions(threshold, 3, fill_holes)
        expected = label_plane(plane.astype(np.float32), None, options)
        np.testing.assert_array_equal(tree.at(threshold, options).labels, expected)


def test_a_pixel_reaches_the_levels_up_to_its_value():
    near = np.nextafter(np.float32(0.05), [np.float32(0), np.float32(1)])  # in one entry of a table
    levels = slider_levels([1e-30, 0.42371, *near])
    below, above = np.nextafter(levels, np.float32(-1)), np.nextafter(levels, np.float32(2))
    values = np.concatenate(
        [levels, below, above, [-0.0, -1, 2, np.inf, -np.inf]], dtype=np.float32
    )
    np.testing.assert_array_equal(
        ranks(values[None], levels)[0], np.searchsorted(levels, values, side="right")
    )


def test_empty_plane_and_wrong_axes():
    assert ComponentTree(np.zeros((0, 5), np.float32)).at(0.5).count == 0
    with pytest.raises(InputError, match="one plane"):
        ComponentTree(np.zeros((2, 3, 4), np.float32))
