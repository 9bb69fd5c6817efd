"""Numbers of virtual objects, on discs."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

from napari_cytosynth.tasks.stain.objects.features import FEATURES, Seen, object_features


def discs(*places, shape=(80, 120), radius=10):
    labels = np.zeros(shape, np.int32)
    for number, place in enumerate(places, start=1):
        labels[disk(place, radius, shape=shape)] = number
    return labels


BOTH = discs((30, 30), (40, 80))


def seen(**changes):
    stain = 0.1 + 0.5 * (BOTH > 0) + 0.3 * (BOTH == 2)
    values = {
        "means": np.stack([stain, 0.2 * stain]).astype(np.float32),
        "stain": 0,
        "spread": np.where(BOTH == 1, 0.1, 0.01).astype(np.float32),
        "labels": BOTH,
        "confidence": np.array([0.6, 0.9]),
        "in_views": [BOTH, discs((40, 80))],
        "in_contrasts": [BOTH],
    }
    return object_features(Seen(**(values | changes)))


def test_every_feature_is_there_and_finite():
    found = seen()
    assert set(found) == set(FEATURES)
    for values in found.values():
        assert values.shape == (2,)
        assert np.isfinite(values).all()


def test_size_brightness_and_contrast():
    found = seen()
    np.testing.assert_allclose(np.exp(found["log_area"]), np.bincount(BOTH.ravel())[1:])
    np.testing.assert_allclose(np.exp(found["log_brightness"]), [0.5, 0.8], rtol=1e-5)
    np.testing.assert_allclose(found["contrast"], 1, atol=0.02)
    np.testing.assert_allclose(found["solidity"], 1, atol=0.06)


def test_an_object_of_another_size_than_the_rest_is_unusual():
    three = discs((20, 20), (20, 60))
    three[disk((55, 90), 20, shape=three.shape)] = 3
    found = seen(labels=three, confidence=np.ones(3), in_views=[], in_contrasts=[])
    ratio = np.log(np.count_nonzero(three == 3) / np.count_nonzero(three == 1))
    np.testing.assert_allclose(found["unusual_size"], [0, 0, ratio**2], rtol=1e-6)


def test_an_object_that_single_views_do_not_show_is_found_less_often():
    np.testing.assert_allclose(seen()["outline_views"], [0.5, 1])
    np.testing.assert_allclose(seen(in_views=[])["outline_views"], [1, 1])


def test_spread_is_relative_to_the_brightness():
    found = seen()
    np.testing.assert_allclose(found["spread_inside"], [0.2, 0.0125], rtol=0.05)
    assert (found["spread_around"] <= 0.021).all()


def test_other_stains_are_compared_with_this_one():
    np.testing.assert_allclose(seen()["other_stains"], np.log(0.2), rtol=1e-3)
    np.testing.assert_array_equal(seen(means=seen_stain())["other_stains"], [0, 0])


def seen_stain():
    return (0.1 + 0.5 * (BOTH > 0))[None].astype(np.float32)


def test_a_plane_without_objects_has_empty_columns():
    found = seen(labels=np.zeros_like(BOTH), confidence=np.empty(0))
    assert all(values.shape == (0,) for values in found.values())


@pytest.mark.parametrize("radius", [1, 2])
def test_an_object_that_is_all_rim_has_finite_numbers(radius):
    labels = discs((30, 30), radius=radius)
    found = seen(labels=labels, confidence=np.ones(1), in_views=[], in_contrasts=[])
    assert all(np.isfinite(values).all() for values in found.values())
