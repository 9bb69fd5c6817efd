"""A copy is caught, in any view; what is merely alike is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    memorisation,
    nearest_distances,
    nearest_images,
    usual_distances,
)


def _images(count, seed, size=32, channels=1):
    noise = np.random.default_rng(seed).normal(size=(count, channels, size, size))
    return 0.5 + ndimage.gaussian_filter(noise, (0, 0, 2, 2), mode="wrap")


TRAINING, HELD_OUT, NEW = _images(60, 0), _images(120, 1), _images(40, 2)
VIEWS = {
    "itself": lambda x: x,
    "mirrored": lambda x: x[..., ::-1],
    "upside down": lambda x: x[..., ::-1, :],
    "turned": lambda x: np.rot90(x, 1, (-2, -1)),
    "turned back": lambda x: np.rot90(x, 3, (-2, -1)),
    "turned by a half": lambda x: np.rot90(x, 2, (-2, -1)),
    "transposed": lambda x: np.swapaxes(x, -2, -1),
    "mirrored and turned": lambda x: np.rot90(x[..., ::-1], 1, (-2, -1)),
}


def test_the_nearest_of_three_points() -> None:
    distances, index = nearest_distances([[0.0, 0.0], [9.0, 4.0]], [[3, 4], [0, 6], [9, 4]])
    np.testing.assert_allclose(distances, [5, 0])
    assert index.tolist() == [0, 2]


def test_a_copy_lies_at_exactly_zero_however_large_the_features_are() -> None:
    table = np.random.default_rng(0).normal(1e6, 1, (3000, 5))
    distances, index = nearest_distances(table[::-1], table)
    assert (distances == 0).all()
    assert index.tolist() == list(range(2999, -1, -1))


def test_the_distance_of_images_is_their_root_mean_squared_difference() -> None:
    training = np.zeros((2, 1, 4, 4))
    training[1] = 1
    distances, index = nearest_images(
        training + np.array([0.2, -0.3])[:, None, None, None], training
    )
    np.testing.assert_allclose(distances, [0.2, 0.3])
    assert index.tolist() == [0, 1]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [32, 33, 70])
def test_a_copy_is_found_in_any_view_also_when_images_are_averaged_down(view, size) -> None:
    training = _images(5, 3, size, channels=2)
    distances, index = nearest_images(VIEWS[view](training[3:4]), training, side=16)
    np.testing.assert_allclose(distances, 0, atol=1e-12)
    assert index.tolist() == [3]


def test_an_oblong_image_is_mirrored_but_not_turned() -> None:
    training = _images(3, 4)[..., :20, :]
    distances, index = nearest_images(training[1:2, :, ::-1, ::-1], training)
    np.testing.assert_allclose(distances, 0, atol=1e-12)
    assert index.tolist() == [1]


@pytest.mark.parametrize("view", VIEWS)
def test_a_planted_copy_is_caught_among_new_images(view) -> None:
    """Slightly noisy and dimmed, as a generator would give it back."""
    noise = np.random.default_rng(5).normal(0, 0.02, TRAINING[7].shape)
    generated = NEW.copy()
    generated[11] = VIEWS[view](0.98 * TRAINING[7] + noise)
    result = memorisation(generated, TRAINING, HELD_OUT)
    assert result.suspicious[11]
    assert result.index[11] == 7
    assert result.relative[11] < 0.5 * result.limit
    assert result.fraction < 0.1


def test_a_planted_copy_is_caught_by_its_features() -> None:
    rng = np.random.default_rng(6)
    training, held_out = rng.normal(size=(200, 16)), rng.normal(size=(300, 16))
    generated = rng.normal(size=(50, 16))
    generated[[3, 20]] = training[[90, 4]] + rng.normal(0, 0.05, (2, 16))
    result = memorisation(generated, training, held_out)
    assert result.suspicious[[3, 20]].all()
    assert result.index[[3, 20]].tolist() == [90, 4]


def test_a_generator_that_only_copies_is_found_out() -> None:
    noise = np.random.default_rng(7).normal(0, 0.01, TRAINING[:20].shape)
    result = memorisation(TRAINING[:20] + noise, TRAINING, HELD_OUT)
    assert result.fraction == 1
    assert result.p < 1e-10


def test_a_copy_of_a_crowded_image_is_caught_though_empty_images_lie_nearer() -> None:
    """As in real micrographs: some crops hold next to nothing."""
    training, held_out, generated = TRAINING.copy(), HELD_OUT.copy(), NEW.copy()
    for images in (training, held_out, generated):
        images[::4] = 0.01 * (images[::4] - 0.5)
    noise = np.random.default_rng(9).normal(0, 0.02, training[7].shape)
    generated[11] = training[7] + noise
    result = memorisation(generated, training, held_out)
    assert result.distances[11] > np.median(result.real_distances[::4])
    assert result.suspicious[11]
    assert result.fraction < 0.1


def test_a_blank_image_among_blank_training_images_is_no_copy() -> None:
    training, generated = TRAINING.copy(), NEW.copy()
    training[:20], generated[:3] = 0.1, 0.1
    result = memorisation(generated, training, HELD_OUT)
    assert (result.distances[:3] < 1e-9).all()
    assert not result.suspicious[:3].any()


def test_the_relative_distance_is_that_to_the_nearest_over_that_to_the_next() -> None:
    training = np.arange(12.0)[:, None]  # of which a tenth is one neighbour
    result = memorisation([[3.2], [14.0]], training, [[20.0]])
    np.testing.assert_allclose(result.distances, [0.2, 3])
    np.testing.assert_allclose(result.relative, [0.2 / 0.8, 3 / 4])
    np.testing.assert_allclose(result.real_relative, [9 / 10])


def test_new_images_are_not_accused() -> None:
    result = memorisation(NEW, TRAINING, HELD_OUT)
    assert result.fraction <= 0.05
    assert result.p > 0.05
    assert result.usual == usual_distances(result.real_distances)


def test_one_held_out_image_in_a_hundred_lies_nearer_than_the_limit_or_at_it() -> None:
    table = np.arange(1, 201)[:, None] / 100
    result = memorisation([[0.015], [0.025]], [[0.0]], table)
    assert result.limit == 0.02
    assert result.suspicious.tolist() == [True, False]
    np.testing.assert_allclose(result.usual, np.quantile(table, [0.05, 0.25, 0.5, 0.75, 0.95]))


def test_the_probability_of_two_nearer_than_the_nearest_of_three() -> None:
    """Of 5 images in random order the first 2 are the 2 generated ones: 1 in 10."""
    result = memorisation([[1.0], [2.0]], [[0.0]], [[3.0], [4.0], [5.0]])
    assert result.fraction == 1
    assert result.p == pytest.approx(1 / 10)


def test_the_probability_is_no_smaller_than_its_frequency() -> None:
    rng = np.random.default_rng(8)
    sets = rng.random((1000, 300, 1))
    found = np.array([memorisation(x[:100], [[0.0]], x[100:]).p for x in sets])
    for level in (0.05, 0.2):
        assert np.mean(found <= level) <= level + 0.03


def test_sets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="three tables"):
        memorisation(NEW, TRAINING, np.zeros((3, 4)))
    with pytest.raises(InputError, match="differ in channels"):
        memorisation(NEW, TRAINING, HELD_OUT[..., 1:])
    with pytest.raises(InputError, match="same extractor"):
        nearest_distances(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(InputError, match="at least 1 images"):
        nearest_distances(np.zeros((0, 3)), np.zeros((2, 3)))
