"""Labels that a round trip must not change, by what is hard about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects
from napari_cytosynth.tasks.measure.table import measure


def _ring(size: int, label: int) -> np.ndarray:
    plane = np.zeros((size, size), int)
    plane[1:-1, 1:-1] = label
    plane[3:-3, 3:-3] = 0
    return plane


def _noise(shape: tuple[int, ...], kinds: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, kinds, shape)


def _island() -> np.ndarray:
    plane = _ring(13, 1)
    plane[5:8, 5:8] = 2
    plane[6, 6] = 1  # a piece of the outer object within the inner one
    return plane


def _closing_at_a_corner() -> np.ndarray:
    """Pixels around a hole that is open to the outside at one corner only."""
    plane = np.zeros((5, 5), int)
    plane[1:4, 1:4] = 3
    plane[2, 2] = plane[1, 1] = 0
    return plane


def _many() -> np.ndarray:
    return np.arange(1, 257 * 257 + 1).reshape(257, 257)


CASES = {
    "touching": (np.repeat(np.repeat(np.arange(9).reshape(3, 3), 4, 0), 5, 1), "YX"),
    "one pixel": (np.diag([1, 0, 2, 3]), "YX"),
    "diagonal pixels of one object": (np.eye(6, dtype=int) * 4, "YX"),
    "checkerboard of two": (np.indices((6, 7)).sum(axis=0) % 2 + 1, "YX"),
    "hole": (_ring(9, 2), "YX"),
    "island in a hole": (_island(), "YX"),
    "two holes that touch": (np.where(np.eye(6) * np.arange(6) % 5 == 0, 1, 0), "YX"),
    "closing at a corner": (_closing_at_a_corner(), "YX"),
    "whole image": (np.full((4, 6), 7), "YX"),
    "all borders": (np.pad(np.zeros((6, 6), int), 1, constant_values=5), "YX"),
    "noise": (_noise((31, 17), 4), "YX"),
    "several pieces": (np.array([[1, 0, 1, 0, 1]]), "YX"),
    "more than 65,535": (_many(), "YX"),
    "64 bits": (np.array([[0, 2**62, 2**62], [2**31, 0, 2**63 - 1]]), "YX"),
    "8 bits": (_noise((8, 9), 3).astype(np.uint8), "YX"),
    "nothing": (np.zeros((5, 6), np.uint16), "YX"),
    "no pixel": (np.zeros((0, 6), int), "YX"),
    "z stack": (_noise((3, 12, 10), 4), "ZYX"),
    "over time": (_noise((4, 12, 10), 4), "TYX"),
    "time and depth": (_noise((2, 3, 7, 9), 3), "TZYX"),
    "depth and time": (_noise((3, 2, 7, 9), 3), "ZTYX"),
    "an empty plane": (np.stack([np.zeros((4, 4), int), np.eye(4, dtype=int)]), "ZYX"),
}


SLOW = {"more than 65,535"}


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES]
)
def case(request):
    """Labels, and their axes."""
    return CASES[request.param]


def table_of(labels, axes) -> pd.DataFrame:
    """Return a table with columns of every kind, as a user may have it; the label of many."""
    if labels.size > 10_000:  # their number is what is hard, and columns cost as much again
        return pd.DataFrame({"label": np.unique(labels)})
    table = measure(labels, axes=axes, pixel_size=0.5).drop(columns="index")
    count = len(table)
    numbers = np.arange(count)
    table["class"] = np.array(["Tumor", "Stroma: Positive", "ungewöhnlich “α”"])[numbers % 3]
    table["confidence"] = numbers / max(count, 1)
    table["accepted"] = numbers % 2 == 0
    table["my: own = \\ note"] = [f"line\n {n}:=#!\\ µ" for n in numbers]
    table["count"] = numbers + 2**53
    table["half known"] = np.where(numbers % 2, np.nan, 0.1)
    table["far"] = np.where(numbers % 5, 1e300, -np.inf)
    return table


@pytest.fixture
def check_round_trip(tmp_path):
    """The function that writes labels and their table, reads them, and compares."""

    def check(labels, axes, name, **options):
        table = table_of(labels, axes)
        said = write_objects(tmp_path / name, labels, table, axes=axes, pixel_size=0.5, **options)
        found = read_objects(tmp_path / name)
        assert said == found.messages == []
        assert (found.axes, found.labels.shape) == (axes, labels.shape)
        np.testing.assert_array_equal(found.labels, labels)
        order = [column for column in ("label", "t", "z") if column in found.table]
        expected = table.sort_values(order, ignore_index=True)[list(found.table)]
        assert {*found.table} == {*table}
        if len(table):
            pd.testing.assert_frame_equal(found.table, expected, check_index_type=False)
        assert found.pixel_size == (0.5, 0.5)
        return found

    return check
