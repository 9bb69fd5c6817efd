from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cytosynth.arguments import (
    check_callable,
    check_choice,
    check_flag,
    check_number,
    check_path,
    check_pixel_size,
    check_text,
    check_texts,
    check_voxel_size,
    check_whole,
    check_wholes,
    shown,
)
from napari_cytosynth.errors import InputError


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.float32(3), np.array(3), torch.tensor(3)])
def test_whole_numbers_of_any_type_are_taken(value):
    assert check_whole(value, "count") == 3
    assert type(check_whole(value, "count")) is int


@pytest.mark.parametrize("value", [2.9, True, "3", None, math.nan, math.inf, 3j, [3], b"3"])
def test_what_is_no_whole_number_is_refused_not_cut(value):
    with pytest.raises(InputError, match=r"count.* must be a whole number of at least 0, not "):
        check_whole(value, "count", 0)


def test_limits_belong_to_what_is_allowed():
    assert check_whole(10**30, "seed") == 10**30
    with pytest.raises(InputError, match="at least 1 pixel, not 0"):
        check_whole(0, "tile_size", 1, unit=" pixel")
    with pytest.raises(InputError, match="at most 9, not 10"):
        check_whole(10, "n", 0, 9)
    with pytest.raises(InputError, match="between 0 and 1, not 0"):
        check_number(0, "tolerance", 0, 1, within=True)


@pytest.mark.parametrize("value", [0.5, np.float16(0.5), Fraction(1, 2), Decimal("0.5")])
def test_numbers_of_any_type_are_taken(value):
    if isinstance(value, Decimal):  # no real number to Python
        with pytest.raises(InputError, match="a number between 0 and 1"):
            check_number(value, "threshold", 0, 1)
        return
    assert check_number(value, "threshold", 0, 1) == 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", True, None, 10**400, [0.5]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="threshold"):
        check_number(value, "threshold")


def test_a_pixel_size_is_one_number_or_two():
    assert check_pixel_size(None) is None
    assert check_pixel_size(0.5) == check_pixel_size([0.5]) == (0.5, 0.5)
    assert check_pixel_size(np.array([0.5, 0.25])) == (0.5, 0.25)
    with pytest.raises(InputError, match=r"along Z too: give pixel_size=\(0.5, 0.25\)"):
        check_pixel_size((2, 0.5, 0.25))
    for value in ("0.5 um", 0, -1, 1e200, 1e-9, math.nan, (), (1, 2, 3, 4), (0.5, None), {0.5: 1}):
        with pytest.raises(InputError, match="positive number of µm"):
            check_pixel_size(value)


def test_a_voxel_size_may_have_a_third_number():
    assert check_voxel_size(None) is None
    assert check_voxel_size(0.5) == (None, 0.5, 0.5)
    assert check_voxel_size((0.5, 0.25)) == (None, 0.5, 0.25)
    assert check_voxel_size(np.array([2, 0.5, 0.25])) == (2, 0.5, 0.25)
    for value in ((0, 1, 1), (1, 1, math.nan), ("2", 1, 1), (1e200, 1, 1), (1, 2, 3, 4), "1 1 1"):
        with pytest.raises(InputError, match="positive number"):
            check_voxel_size(value)


def test_words_flags_and_sequences():
    assert check_flag(np.True_, "resample") is True
    assert check_flag(0, "resample") is False
    assert check_wholes(np.arange(2), "channels") == (0, 1)
    assert check_texts("DNA", "stains", "['DNA']") == ("DNA",)
    assert check_path(Path("x"), "model") == "x"
    check_callable(None, "progress")
    for check, value in (
        (check_flag, "no"),
        (check_flag, 2),
        (check_wholes, 0),
        (check_wholes, [2.9]),
        (check_wholes, range(10**9)),
        (check_text, ["Y", "X"]),
        (check_path, None),
        (check_path, "a\0b"),
        (check_callable, 5),
    ):
        with pytest.raises(InputError, match="“name” must be"):
            check(value, "name")
    with pytest.raises(InputError, match="must be one of 'a', 'b', not c"):
        check_choice("c", "name", ("a", "b"))
    with pytest.raises(InputError, match=r"names, such as \['DNA'\]"):
        check_texts([0], "stains", "['DNA']")


def test_any_value_can_stand_in_a_message():
    class Silent:
        def __repr__(self):
            raise RuntimeError

    assert shown(Silent()) == "an object of type Silent"
    assert shown(np.zeros((2, 3))) == "an array of shape (2, 3)"
    assert shown("\x1b[31m\nred").isprintable()
    assert len(shown("a" * 10_000)) < 300
    assert shown("") == "“”"
