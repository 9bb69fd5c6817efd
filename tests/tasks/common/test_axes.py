from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import (
    PlaneReader,
    axes_from_labels,
    doubt_about,
    guess_axes,
    parse_axes,
    possible_axes,
)


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


@pytest.mark.parametrize(
    ("shape", "axes", "other"),
    [
        ((64, 48, 1), "YXC", "ZYX"),
        ((3, 64, 48, 6), "ZYXC", "TZYX"),
        ((2, 3, 64, 48, 2), "TZYXC", "TCZYX"),
        ((2, 3, 4, 64, 48, 2), "TPZYXC", "PTCZYX"),
    ],
)
def test_a_short_last_axis_is_asked_about(shape, axes, other):
    with pytest.raises(InputError, match=f"give axes='{axes}'; .* give axes='{other}'"):
        guess_axes(len(shape), shape=shape)
    assert parse_axes(axes, len(shape)) == axes


def test_short_last_axes_that_are_no_channels_are_believed():
    assert guess_axes(2, shape=(64, 1)) == "YX"
    assert guess_axes(3, ("z", "y", "x"), shape=(9, 64, 3)) == "ZYX"
    assert guess_axes(3, shape=(2, 5, 5)) == "ZYX"
    assert guess_axes(3, shape=(9, 64, 7)) == "ZYX"


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [
        ("ZYX", (3, 64, 48), "for 3 planes in depth (Z). If it holds channels, give axes='CYX'"),
        ("TZYX", (9, 2, 64, 48), "second axis was taken for 2 planes in depth (Z)"),
        ("TZYX", (2, 9, 64, 48), "first axis was taken for 2 time points"),
        ("ZYX", (7, 64, 48), ""),
        ("ZYX", (1, 64, 48), ""),
        ("CYX", (3, 64, 48), ""),
        ("TCZYX", (2, 3, 9, 64, 48), ""),
    ],
)  # fmt: skip
def test_a_short_leading_axis_is_spoken_of(axes, shape, said):
    sentence = doubt_about(axes, shape)
    assert said in sentence
    assert bool(said) == bool(sentence)


def test_what_axes_an_image_may_have():
    assert possible_axes((64, 48)) == ["YX"]
    assert possible_axes((3, 64, 48)) == ["ZYX", "TYX", "CYX"]
    assert possible_axes((64, 48, 3), rgb=True) == ["YXC"]
    assert possible_axes((9, 64, 48, 3), rgb=True) == ["ZYXC", "TYXC"]
    assert {"TCYX", "CZYX", "ZYXC"} < {*possible_axes((3, 64, 48, 2))}
    assert possible_axes((64, 48, 2))[-1] == "YXC"
    assert possible_axes((2, 3, 4, 64, 48))[0] == "TCZYX"
    assert possible_axes((1, 2, 3, 4, 64, 48)) == []
    for shape in ((3, 4, 64, 5), (2, 3, 64, 48, 4)):
        assert all(parse_axes(axes, len(shape)) == axes for axes in possible_axes(shape))


def test_an_array_that_fails_when_it_is_read_is_named_with_its_plane() -> None:
    class Lost:
        shape = (2, 8, 8)

        def __getitem__(self, key):
            raise FileNotFoundError("chunk 0.0 is gone")

    with pytest.raises(InputError, match=r"Z 1 could not be read.*chunk 0.0 is gone"):
        PlaneReader(Lost(), "ZYX").read((1,))
