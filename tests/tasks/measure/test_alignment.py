"""Layers are measured where they lie, never pixel by pixel because their indices are equal."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.measure.table import measure


@pytest.fixture
def labels():
    found = np.zeros((40, 50), int)
    found[10:20, 10:20] = 1
    found[25:35, 30:45] = 2
    return found


@pytest.fixture
def image():
    y, x = np.mgrid[:40, :50]
    return (10.0 * y + x).astype(np.float32)  # linear: interpolation is exact


def means(table):
    return table["mean_intensity"].to_numpy()


def test_the_same_place_is_measured_pixel_by_pixel(layer, labels, image):
    found = measure(layer(labels, scale=(2, 2)), layer(image, scale=(2, 2)))
    assert (means(found) == means(measure(labels, image))).all()


def test_a_shifted_image_is_measured_where_it_lies(layer, labels, image):
    crop = layer(image[5:, 8:], translate=(5, 8))
    expected = means(measure(labels, image))
    np.testing.assert_allclose(means(measure(layer(labels), crop)), expected)
    # by index it would have been another number
    same_shape = layer(np.roll(image, (-5, -8), (0, 1)), translate=(5, 8))
    np.testing.assert_allclose(means(measure(layer(labels), same_shape))[0], expected[0])


def test_half_a_pixel_is_interpolated(layer, labels, image):
    found = measure(layer(labels), layer(image, translate=(0.5, 0)))
    np.testing.assert_allclose(means(found), means(measure(labels, image)) - 5, rtol=1e-6)


def test_another_scale_and_other_units_are_resampled(layer, labels, image):
    expected = means(measure(labels, image))
    fine = layer(np.kron(image, np.ones((2, 2))), scale=(0.5, 0.5), translate=(-0.25, -0.25))
    np.testing.assert_allclose(means(measure(layer(labels), fine)), expected)
    nanometres = layer(image, scale=(1000, 1000), units=("nm", "nm"))
    np.testing.assert_allclose(means(measure(layer(labels), nanometres)), expected)


def test_a_turned_image_is_turned_back(layer, labels, image):
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])  # world = turn @ pixel
    turned = layer(np.rot90(image).copy(), rotate=turn, translate=(0, 49))
    data = turned.data
    # pixel (r, c) of the turned data lies at (c, 49 - r)
    assert data[49 - 7, 3] == image[3, 7]
    np.testing.assert_allclose(
        means(measure(layer(labels), turned)), means(measure(labels, image)), rtol=1e-6
    )


def test_what_reaches_out_of_the_image_has_no_intensity(layer, labels, image):
    found = measure(layer(labels), layer(image[:15], name="half"))
    assert np.isnan(means(found)).all()
    found = measure(layer(labels), layer(image[:22], name="half"))
    assert np.isfinite(means(found)).tolist() == [True, False]


def test_an_image_somewhere_else_is_refused(layer, labels, image):
    with pytest.raises(InputError, match="“far” lies elsewhere"):
        measure(layer(labels), layer(image, name="far", translate=(0, 60)))


def test_a_tilted_image_is_refused(layer, labels, image):
    angle = np.deg2rad(20)
    tilt = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    stack = layer(np.stack([image] * 4), name="tilted", rotate=tilt)
    with pytest.raises(InputError, match="“tilted” is tilted"):
        measure(layer(np.stack([labels] * 4)), stack)


def test_planes_along_z_are_interpolated(layer, labels):
    depth = np.arange(9.0, dtype=np.float32)[:, None, None] * np.ones((9, 40, 50), np.float32)
    stack = layer(np.stack([labels] * 3), scale=(2, 1, 1), translate=(1.5, 0, 0))
    found = measure(stack, layer(depth), by_plane=True)
    assert found.groupby("z")["mean_intensity"].first().tolist() == [1.5, 3.5, 5.5]
    beyond = measure(layer(stack.data, translate=(7, 0, 0)), layer(depth), by_plane=True)
    assert np.isfinite(beyond["mean_intensity"]).tolist() == [True] * 4 + [False] * 2


def test_time_points_are_never_mixed(layer, labels, image):
    names = {"axis_labels": ("t", "y", "x"), "units": ("s", "um", "um")}
    moving = layer(np.stack([labels] * 3), **names)
    films = layer(np.stack([image, 2 * image, 3 * image]), **names)
    late = layer(films.data, translate=(1, 0, 0), **names)
    found = measure(moving, late)
    assert np.isnan(found["mean_intensity"][found["t"] == 0]).all()
    expected = measure(moving, films)["mean_intensity"][:4].to_numpy()
    np.testing.assert_allclose(found["mean_intensity"][2:], expected)
    with pytest.raises(InputError, match="other steps along T"):
        measure(moving, layer(films.data, scale=(1.5, 1, 1), **names))


def test_labels_of_one_plane_find_it_in_a_stack(layer, labels, image):
    stack = layer(np.stack([image, 2 * image, 3 * image]))
    plane = layer(labels[np.newaxis], translate=(2, 0, 0))
    found = measure(plane, stack, by_plane=True)
    np.testing.assert_allclose(means(found), 3 * means(measure(labels, image)))
