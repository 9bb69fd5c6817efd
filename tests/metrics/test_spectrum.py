from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import (
    gaussian_matched,
    grid_peak,
    grid_power,
    grid_power_ratio,
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


Y, X = np.indices((256, 352))
PATTERNS = {
    "columns, period 2": (-1.0) ** X,
    "rows, period 2": (-1.0) ** Y,
    "checkerboard": (-1.0) ** (X + Y),
    "columns, period 4": np.cos(np.pi / 2 * X),
    "diagonals, period 4": np.cos(np.pi / 2 * (X - Y)),
    "both": np.cos(np.pi / 2 * X) * (-1.0) ** Y,
}


def _spots(seed=0, noise=0.01):
    """Return two channels (1, 2, 256, 352) of smooth spots and camera noise, range about 1."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter((rng.random((1, 2, 256, 352)) > 0.99) * 40.0, (0, 0, 2, 2))
    return smooth + rng.normal(0, noise, smooth.shape)


def _ratio(virtual, real):
    return grid_power_ratio(grid_power(virtual), grid_power(real), 1.0)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_checkerboard_stands_out_in_its_channel_only(name) -> None:
    real = _spots()
    virtual = real.copy()
    virtual[:, 1] += 0.03 * PATTERNS[name]
    ratio, peak = _ratio(virtual, real), grid_peak(grid_power(virtual), 1.0)
    assert ratio[0] == 1
    assert ratio[1] > 20
    assert peak[0] < 1.5
    assert peak[1] > 10


def test_an_equal_image_has_a_ratio_of_exactly_one() -> None:
    for image in (_spots(), np.zeros((1, 1, 64, 64)), 1e4 * _spots()):
        np.testing.assert_array_equal(_ratio(image, image), 1)


def test_blur_has_less_power_and_no_peak() -> None:
    real = _spots()
    blurred = ndimage.gaussian_filter(real, (0, 0, 0.7, 0.7))
    assert (_ratio(blurred, real) < 0.7).all()
    assert (grid_peak(grid_power(blurred), 1.0) < 1.5).all()


def test_a_checkerboard_below_the_camera_noise_shows_as_a_peak_only() -> None:
    """What the ratio cannot tell: a smooth stain with a pattern as strong as the noise."""
    noise, smooth = _spots(noise=0.05), _spots(noise=0.001)
    virtual = smooth + 0.001 * (PATTERNS["checkerboard"] + PATTERNS["rows, period 2"])
    assert (_ratio(virtual, noise) < 1).all()
    assert (grid_peak(grid_power(virtual), 1.0) > 10).all()


def test_fine_texture_without_a_period_has_a_ratio_but_no_peak() -> None:
    virtual = _spots(noise=0.05)
    assert (_ratio(virtual, _spots()) > 10).all()
    assert (grid_peak(grid_power(virtual), 1.0) < 1.5).all()


@pytest.mark.parametrize("size", [(32, 40), (64, 64), (130, 97)])
def test_white_noise_has_its_variance_on_the_grid_and_beside_it(size) -> None:
    noise = np.random.default_rng(0).normal(7, [[[3.0]], [[0.5]]], (60, 2, *size))
    power = grid_power(noise)
    assert power.shape == (2, 2, 15)
    np.testing.assert_allclose(power[:, 0].mean(axis=1), [9, 0.25], rtol=0.1)
    np.testing.assert_allclose(power[:, 1].mean(axis=1), [9, 0.25], rtol=0.1)


def test_traces_in_tiny_images_are_refused() -> None:
    with pytest.raises(InputError, match="at least 32 px"):
        grid_power(np.zeros((1, 1, 31, 64)))
