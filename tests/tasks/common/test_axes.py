from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import PlaneReader, axes_from_labels, guess_axes, parse_axes


@pytest.mark.parametrize(
    ("text", "ndim", "axes"), [("yx", 2, "YX"), ("t, z,y,x", 4, "TZYX"), ("YXC", 3, "YXC")]
)
def test_axes_are_read(text, ndim, axes):
    assert parse_axes(text, ndim) == axes


@pytest.mark.parametrize("text", ["YX", "ZZX", "XYZ", "ZYY", "Z-X", "TZC"])
def test_wrong_axes_are_refused_with_a_sentence(text):
    with pytest.raises(InputError, match="axes"):
        parse_axes(text, 3)


def test_only_real_layer_labels_count():
    assert axes_from_labels(("time", "y", "x")) == "TYX"
    assert axes_from_labels(("Channel", "row", "column")) == "CYX"
    assert axes_from_labels(("-3", "-2", "-1")) is None
    assert axes_from_labels(("0", "1")) is None
    assert axes_from_labels(("a", "b")) is None


def test_guesses():
    assert guess_axes(2) == "YX"
    assert guess_axes(3) == "ZYX"
    assert guess_axes(3, ("t", "y", "x")) == "TYX"
    assert guess_axes(3, ("-2", "-1"), rgb=True) == "YXC"
    assert guess_axes(3, channels=2, shape=(2, 9, 9)) == "CYX"
    assert guess_axes(4, channels=2, shape=(5, 2, 9, 9)) == "TCYX"
    assert guess_axes(5) == "TCZYX"
    assert len(set(guess_axes(7))) == 7
    with pytest.raises(InputError, match="two axes"):
        guess_axes(1)


@pytest.mark.parametrize("axes", ["TCYX", "YXTC", "CYTX"])
def test_planes_are_cut_whatever_the_order(axes):
    sizes = {"T": 3, "C": 2, "Y": 4, "X": 5}
    data = np.random.default_rng(0).random([sizes[axis] for axis in axes])
    reader = PlaneReader(data, axes, channels=(1,))
    assert reader.spatial_axes == axes.replace("C", "")
    assert list(reader.indices()) == [(0,), (1,), (2,)]
    expected = np.einsum(f"{axes.lower()}->tcyx", data)[2, 1:]
    np.testing.assert_array_equal(reader.read((2,)), expected)


def test_planes_of_numpy_arrays_are_views():
    data = np.zeros((3, 4, 5))
    assert np.shares_memory(PlaneReader(data, "ZYX").read((1,)), data)
