from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.measure.intensities import (
    STATISTICS,
    StackIntensities,
    intensity_column,
    summarise,
)
from napari_cytosynth.tasks.measure.table import measure

TYPES = (np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float16,
         np.float32, np.float64, np.int64)  # fmt: skip


@pytest.fixture
def labels():
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(80, 90)), 3)
    return ndimage.label(noise > 0)[0]


def expected(values):
    """What numpy says of the values of one object."""
    values = values.astype(np.float64)
    return [getattr(np, name)(values) for name in STATISTICS]


@pytest.mark.parametrize("dtype", TYPES)
def test_statistics_are_those_of_numpy_for_all_types_of_pixels(labels, dtype):
    image = (np.random.default_rng(1).normal(size=labels.shape) * 90).astype(dtype)
    table = measure(labels, image)
    columns = [intensity_column(name, "") for name in STATISTICS]
    for row, label in zip(table[columns].to_numpy(float), table["label"], strict=True):
        np.testing.assert_allclose(row, expected(image[labels == label]), rtol=1e-6, atol=1e-9)
    assert table["max_intensity"].dtype == dtype


def test_infinite_and_extreme_values_keep_their_order():
    values = np.array([np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38], np.float32)
    found = summarise(np.zeros(len(values), np.int64), values, 1)
    assert (found["min"][0], found["max"][0]) == (-np.inf, np.inf)
    assert found["median"][0] == np.sort(values)[3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_missing_value_spoils_its_own_object_only(dtype):
    labels = np.array([[1, 1, 2, 2]])
    table = measure(labels, np.array([[1, np.nan, 3, 5]], dtype))
    for name in STATISTICS:
        low, high = table[intensity_column(name, "")]
        assert np.isnan(low), name
        assert np.isfinite(high), name


@pytest.mark.parametrize("buffer", [1, 50, 2**24])
def test_a_stack_has_the_statistics_of_all_its_planes(buffer):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 6, (7, 9, 11))
    labels[3:] *= labels[3:] != 2  # ends early
    image = rng.integers(0, 60000, labels.shape).astype(np.uint16)
    last = np.array([np.flatnonzero((labels == k).any(axis=(1, 2)))[-1] for k in range(1, 6)])
    found = StackIntensities(last, buffer)
    for z, (plane, values) in enumerate(zip(labels, image, strict=True)):
        found.add(z, plane[plane > 0] - 1, values[plane > 0])
    columns = found.statistics()
    for number in range(5):
        row = [columns[name][number] for name in STATISTICS]
        np.testing.assert_allclose(row, expected(image[labels == number + 1]))


def test_volumes_have_all_statistics():
    labels = np.zeros((4, 6, 6), int)
    labels[1:3, 1:4, 1:4] = 7
    image = np.random.default_rng(3).random(labels.shape).astype(np.float32)
    row = measure(labels, {"DNA": image}, axes="ZYX").iloc[0]
    found = [row[intensity_column(name, "DNA")] for name in STATISTICS]
    np.testing.assert_allclose(found, expected(image[labels == 7]), rtol=1e-6)


def test_all_channels_at_once_and_their_ratios(labels):
    rng = np.random.default_rng(4)
    images = {"DNA": rng.random(labels.shape) + 1, "my actin": rng.random(labels.shape) + 1}
    table = measure(labels, images, ratios=[("DNA", "my_actin")])
    for name, image in zip(("DNA", "my_actin"), images.values(), strict=True):
        alone = measure(labels, image)
        for statistic in STATISTICS:
            column = alone[intensity_column(statistic, "")]
            assert table[intensity_column(statistic, name)].equals(column)
    ratio = table["mean_DNA_intensity"] / table["mean_my_actin_intensity"]
    assert table["ratio_DNA_to_my_actin"].equals(ratio)


def test_a_ratio_to_nothing_is_unknown():
    labels = np.array([[1, 2]])
    images = {"a": np.array([[4, 4]]), "b": np.array([[2, 0]])}
    ratio = measure(labels, images, ratios=("a", "b"))["ratio_a_to_b"]
    assert ratio[0] == 2
    assert np.isnan(ratio[1])


@pytest.mark.parametrize("ratios", [[("a", "c")], "ab", 3, [("a",)], [("", "a")]])
def test_a_ratio_of_no_channel_is_refused(ratios):
    images = {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    with pytest.raises(InputError, match="ratio"):
        measure(np.ones((2, 2), int), images, ratios=ratios)


def test_an_axis_of_channels_is_found_by_shape_and_by_name(layer):
    labels = np.ones((5, 6), int)
    image = np.stack([np.full((5, 6), 3), np.full((5, 6), 4)])
    for given in (image, np.moveaxis(image, 0, -1)):
        table = measure(labels, given)
        assert table[["mean_1_intensity", "mean_2_intensity"]].to_numpy().tolist() == [[3, 4]]
    named = layer(image, axis_labels=("c", "y", "x"))
    assert measure(labels, named)["mean_2_intensity"][0] == 4
    colours = layer(np.moveaxis(image, 0, -1).repeat(2, -1)[..., :3], rgb=True, ndim=2)
    assert measure(labels, colours)["mean_blue_intensity"][0] == 4


def test_channels_that_cannot_be_told_are_asked_about():
    with pytest.raises(InputError, match="same size"):
        measure(np.ones((4, 4), int), np.ones((4, 4, 4)))
    with pytest.raises(InputError, match="Two channels"):
        measure(np.ones((4, 4), int), {"a b": np.ones((4, 4)), "a_b": np.ones((4, 4))})
