from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    gaussian_matched,
    radial_frequencies,
    radial_spectrum,
    spectrum_distance,
)


def _textured(count=200, seed=0, size=32):
    """Two noisy channels of smooth spots, partly shared, on unlike levels; not Gaussian at all."""
    rng = np.random.default_rng(seed)
    spots = rng.random((count, 2, size, size)) > 0.98
    smooth = ndimage.gaussian_filter(spots.astype(float), (0, 0, 2, 2), mode="wrap") * 4
    smooth[:, 1] += 0.5 * smooth[:, 0]
    smooth = smooth * rng.uniform(0.5, 1, (count, 1, 1, 1)) + np.array([0.1, 0.3])[:, None, None]
    return smooth + rng.normal(0, 0.02, smooth.shape)


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    noise = np.random.default_rng(0).normal(7, [[[3.0]], [[0.5]]], (300, 2, 16, 20))
    power = radial_spectrum(noise)
    assert power.shape == (2, 8) == (2, len(radial_frequencies((16, 20))))
    np.testing.assert_allclose(power[0, 1:], 9, rtol=0.05)
    np.testing.assert_allclose(power[1, 1:], 0.25, rtol=0.05)
    np.testing.assert_allclose(power[:, 0], [8, 0.222], rtol=0.15)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_grating_has_its_power_at_its_own_frequency(axis) -> None:
    wave = np.sin(2 * np.pi * 0.25 * np.arange(32))
    image = np.broadcast_to(wave if axis else wave[:, None], (1, 1, 32, 32))
    power, frequencies = radial_spectrum(image)[0], radial_frequencies((32, 32))
    assert frequencies[power.argmax()] == 0.25
    assert power[(frequencies > 0.3) | (frequencies < 0.2)].max() < 1e-3 * power.max()


def test_a_slope_is_not_taken_for_fine_texture() -> None:
    """Without a window the jump from one edge to the other has power everywhere."""
    slope = np.broadcast_to(np.linspace(0, 1, 64), (1, 1, 64, 64))
    power = radial_spectrum(slope)[0]
    assert power[16:].max() < 1e-6 * power[0]


def test_twice_the_contrast_is_six_decibels_apart() -> None:
    images = _textured(20)
    other = images * np.array([1, 2])[:, None, None] + 0.3
    distance = spectrum_distance(images, other)
    assert distance[0] == pytest.approx(0, abs=0.01)
    assert distance[1] == pytest.approx(20 * np.log10(2), rel=0.1)


def test_real_images_lie_near_real_ones_and_blurred_ones_far_off() -> None:
    real, others = _textured(seed=1), _textured(seed=2)
    blurred = ndimage.gaussian_filter(others, (0, 0, 1.5, 1.5))
    assert (spectrum_distance(real, others) < 1).all()
    assert (spectrum_distance(real, blurred) > 3).all()


def test_matched_noise_has_everything_of_second_order() -> None:
    images = _textured()
    noise = gaussian_matched(images, seed=1, count=400)
    assert noise.shape == (400, 2, 32, 32)
    assert noise.dtype == np.float32
    np.testing.assert_allclose(noise.mean((0, 2, 3)), images.mean((0, 2, 3)), rtol=0.03)
    pixels = [x.transpose(1, 0, 2, 3).reshape(2, -1) for x in (images, noise)]
    np.testing.assert_allclose(np.cov(pixels[1]), np.cov(pixels[0]), rtol=0.1)
    assert (spectrum_distance(images, noise) < 1).all()
    levels = [x.mean((2, 3)).std(0) for x in (images, noise)]
    np.testing.assert_allclose(levels[1], levels[0], rtol=0.15)


def test_matched_noise_has_no_shapes() -> None:
    """Spots are skewed, Gaussian noise is not."""
    from scipy.stats import skew

    images = _textured(50)
    assert skew(images[:, 0].ravel()) > 1
    assert abs(skew(gaussian_matched(images)[:, 0].ravel())) < 0.2


def test_matched_noise_follows_its_seed() -> None:
    images = _textured(4)
    once = gaussian_matched(images, seed=3)
    assert once.shape == images.shape
    np.testing.assert_array_equal(gaussian_matched(images, seed=3), once)
    assert not np.allclose(gaussian_matched(images, seed=4), once)
    np.testing.assert_array_equal(gaussian_matched(images, seed=3, count=2), once[:2])


@pytest.mark.parametrize("shape", [(3, 1, 9, 14), (3, 2, 12, 7), (2, 3, 4, 4)])
def test_odd_and_oblong_images_work_and_blank_ones_stay_blank(shape) -> None:
    images = np.random.default_rng(5).random(shape)
    assert radial_spectrum(images).shape == (shape[1], min(shape[2:]) // 2)
    assert gaussian_matched(images).shape == shape
    blank = np.full(shape, 0.25)
    np.testing.assert_allclose(gaussian_matched(blank), 0.25, atol=1e-6)
    np.testing.assert_allclose(spectrum_distance(blank, blank + 0.5), 0, atol=1e-9)


def test_what_has_no_spectrum_is_refused() -> None:
    with pytest.raises(InputError, match="at least 4 px"):
        radial_spectrum(np.zeros((2, 1, 3, 9)))
    with pytest.raises(InputError, match="two images or more"):
        gaussian_matched(np.zeros((1, 1, 8, 8)))
    with pytest.raises(InputError, match="differ in channels"):
        spectrum_distance(np.zeros((1, 1, 8, 8)), np.zeros((1, 1, 9, 9)))
