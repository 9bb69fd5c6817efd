from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_cytosynth.errors import InputError
from napari_cytosynth.inference.normalise import (
    Scaling,
    normalise,
    plane_scaling,
    tile_transform,
)
from napari_cytosynth.zoo.card import Normalisation

KINDS = ["percentile", "zscore", "fixed"]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64"]


def ramp(dtype, size=64):
    values = np.linspace(0, 1, size * size).reshape(size, size)
    if dtype == "bool":
        return values > 0.5
    if np.dtype(dtype).kind in "ui":
        return (values * (np.iinfo(dtype).max // 2)).astype(dtype)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_percentiles_become_zero_and_one_for_every_dtype(dtype):
    plane = ramp(dtype)
    scaled = normalise(plane, Normalisation(low=1, high=99))
    assert scaled.dtype == np.float32
    assert scaled.shape == plane.shape
    assert np.percentile(scaled, 1) == pytest.approx(0, abs=0.02)
    assert np.percentile(scaled, 99) == pytest.approx(1, abs=0.02)


def test_uint64_keeps_small_contrast_on_a_huge_offset():
    plane = np.uint64(2**40) + np.arange(4096, dtype=np.uint64).reshape(64, 64)
    scaled = normalise(plane, Normalisation(low=0, high=100))
    np.testing.assert_allclose(scaled, np.linspace(0, 1, 4096).reshape(64, 64), atol=1e-6)


def test_zscore_has_mean_zero_and_std_one():
    plane = np.random.default_rng(0).normal(300, 20, (64, 64)).astype(np.float32)
    scaled = normalise(plane, Normalisation(kind="zscore"))
    assert scaled.mean() == pytest.approx(0, abs=1e-4)
    assert scaled.std() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_fixed_maps_the_range_of_the_type_to_minus_one_and_one(dtype, top):
    plane = np.array([[0, top]], dtype)
    scaled = normalise(plane, Normalisation(kind="fixed"))
    np.testing.assert_allclose(scaled, [[-1, 1]], atol=1e-6)


@pytest.mark.parametrize("kind", ["percentile", "zscore"])
@pytest.mark.parametrize("value", [0, 7, 0.1, 1e30])
def test_a_constant_plane_becomes_zeros(kind, value):
    for shape in [(1, 1), (5, 9)]:
        scaled = normalise(np.full(shape, value), Normalisation(kind=kind))
        assert not scaled.any()


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinite_pixels_are_ignored_and_become_zero(kind):
    plane = np.random.default_rng(1).random((32, 32), np.float32)
    clean = plane.copy()
    plane[0, :3] = np.nan, np.inf, -np.inf
    clean = plane_scaling(plane.ravel()[3:].reshape(1, -1), Normalisation(kind=kind)).apply(plane)
    scaled = normalise(plane, Normalisation(kind=kind))
    assert not scaled[0, :3].any()
    np.testing.assert_array_equal(scaled, clean)
    assert not normalise(np.full((4, 4), np.nan), Normalisation(kind=kind)).any()


def test_a_plane_that_is_nearly_all_background_keeps_its_objects_within_reason():
    plane = np.zeros((200, 200), np.uint16)
    plane[5, 5:8] = 60000
    scaled = normalise(plane, Normalisation())
    assert scaled.max() == pytest.approx(1)


def test_an_empty_plane_has_a_scaling():
    assert plane_scaling(np.zeros((0, 5)), Normalisation()) == Scaling(0.0, 0.0)


def test_large_planes_are_sampled_and_give_nearly_the_same_scaling():
    plane = np.random.default_rng(2).random((1500, 1400), np.float32)
    sampled = plane_scaling(plane, Normalisation())
    low, high = np.percentile(plane, [1, 99.8])
    assert sampled.offset == pytest.approx(low, abs=0.002)
    assert 1 / sampled.scale == pytest.approx(high - low, abs=0.002)


def test_lazy_arrays_are_read_strided():
    class Lazy:
        shape, dtype = (4000, 3000), np.dtype("uint8")
        read = 0

        def __getitem__(self, index):
            block = np.broadcast_to(np.arange(3000, dtype="uint8"), self.shape)[index]
            Lazy.read += block.size
            return block

    assert plane_scaling(Lazy(), Normalisation()).scale > 0
    assert 0 < Lazy.read <= 1_000_000


def test_channels_are_scaled_one_by_one_and_tiles_like_the_plane():
    plane = np.random.default_rng(3).random((2, 40, 30)) * np.array([1, 1000])[:, None, None]
    whole = normalise(plane, Normalisation())
    transform = tile_transform([plane_scaling(channel, Normalisation()) for channel in plane])
    np.testing.assert_array_equal(transform(plane[:, 8:20, 3:9]), whole[:, 8:20, 3:9])
    assert whole[0].max() == pytest.approx(whole[1].max(), rel=0.1)


def test_what_is_no_plane_of_real_numbers_is_refused_with_a_sentence():
    with pytest.raises(InputError, match="complex"):
        normalise(np.zeros((3, 3), complex), Normalisation())
    with pytest.raises(InputError, match="axes"):
        normalise(np.zeros((2, 2, 3, 3)), Normalisation())


def test_the_input_is_not_changed():
    plane = np.array([[0.0, np.nan, 4.0]], np.float32)
    kept = plane.copy()
    normalise(plane, Normalisation())
    np.testing.assert_array_equal(plane, kept)


LOCAL = Normalisation(kind="local", sigma=6, std=0.05)


def transmitted(size=96):
    """Light of 1 with a contrast of a few percent."""
    texture = np.random.default_rng(4).normal(0, 0.05, (size, size))
    return (1 + texture).astype(np.float32)


def test_local_contrast_is_the_deviation_from_the_surroundings():
    plane = transmitted()
    mean = gaussian_filter(plane.astype(np.float64), 6, truncate=3)
    np.testing.assert_allclose(normalise(plane, LOCAL), (plane / mean - 1) / 0.05, atol=1e-4)


@pytest.mark.parametrize("gain", [0.01, 37, 60000])
def test_local_contrast_does_not_depend_on_lamp_and_gain(gain):
    plane = transmitted()
    np.testing.assert_allclose(normalise(plane * gain, LOCAL), normalise(plane, LOCAL), atol=1e-3)


def test_local_contrast_does_not_depend_on_slow_shading():
    plane = transmitted()
    shading = 1 + 0.3 * np.linspace(-1, 1, 96)[:, None] * np.linspace(0, 1, 96)[None]
    inside = np.s_[20:-20, 20:-20]  # at the border the mirrored shading has a kink
    difference = normalise(plane * shading, LOCAL) - normalise(plane, LOCAL)
    assert np.abs(difference[inside]).max() < 0.1 * normalise(plane, LOCAL).std()


def test_local_contrast_around_holes_is_that_of_the_pixels_that_are_known():
    plane = transmitted()
    hole = np.s_[40:50, 40:60]
    holed = plane.copy()
    holed[hole] = np.nan
    holed[0, 0] = np.inf
    scaled = normalise(holed, LOCAL)
    assert not scaled[hole].any()
    assert scaled[0, 0] == 0
    assert np.isfinite(scaled).all()
    assert abs(scaled[51:53, 40:60].mean()) < 1  # no bright rim around a hole taken for black
    flat = np.where(np.isnan(holed), np.nan, 7.0)
    np.testing.assert_allclose(normalise(flat, LOCAL), 0, atol=1e-3)
    assert not normalise(np.full((8, 8), np.nan), LOCAL).any()


@pytest.mark.parametrize("value", [0, 1, 0.1, -3.0, 1e30])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (40, 40)])
def test_local_contrast_of_a_constant_plane_is_zero(shape, value):
    np.testing.assert_allclose(normalise(np.full(shape, value), LOCAL), 0, atol=1e-3)


def test_local_contrast_of_the_dark_is_zero_not_noise():
    plane = np.zeros((200, 60), np.uint16)
    plane[:40] = np.random.default_rng(5).integers(900, 1100, (40, 60))
    scaled = normalise(plane, LOCAL)
    assert scaled[:40].std() > 0.5
    assert not scaled[100:].any()
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float16", "float64"])
def test_local_contrast_takes_every_dtype(dtype):
    counts = np.random.default_rng(6).integers(90, 110, (32, 32))
    expected = normalise(counts.astype(np.float32), LOCAL)
    np.testing.assert_allclose(normalise(counts.astype(dtype), LOCAL), expected, atol=1e-4)


def test_local_contrast_scales_channels_one_by_one_and_refuses_what_is_no_image():
    plane = transmitted()
    both = normalise(np.stack([plane, 5 * plane[::-1]]), LOCAL)
    np.testing.assert_allclose(both[1], both[0][::-1], atol=1e-3)
    with pytest.raises(InputError, match="complex"):
        normalise(np.zeros((3, 3), complex), LOCAL)


def test_local_contrast_is_no_single_scaling():
    with pytest.raises(InputError, match="whole plane"):
        plane_scaling(transmitted(), LOCAL)
