"""Information gain of the numbers of virtual cells, on made-up cells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.training.stain.calibrate.doubt import ObjectTruth, VirtualObjects
from napari_cytosynth.training.stain.calibrate.numbers import (
    MatchedCells,
    judge_numbers,
    summarise_numbers,
)


def cells(group, rng, scatter, count=200):
    iou = np.where(rng.random(count) < 0.25, 0.2, 0.8)
    truth = ObjectTruth(iou, iou < 0.1, iou < 0.5)
    objects = VirtualObjects(group, {"outline_views": iou + rng.normal(0, 0.2, count)}, truth)
    matched = np.flatnonzero(iou >= 0.5)
    real = rng.lognormal(6, 0.5, len(matched))
    virtual = real * np.exp(rng.normal(0, scatter, len(matched)))
    luck = rng.permutation(real)
    return MatchedCells(
        objects, matched, {"area_px": virtual, "sum DNA": luck}, {"area_px": real, "sum DNA": real}
    )


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    return judge_numbers([cells(name, rng, 0.1) for name in "abcd"], ["outline_views"])


def test_a_telling_number_gains_and_luck_does_not(judged):
    found = summarise_numbers(judged).set_index("number")
    # ln(0.5 / 0.1), less the long tails
    assert found.loc["area_px", "gain"] == pytest.approx(np.log(5), abs=0.25)
    assert found.loc["area_px", "low"] > 1
    assert found.loc["sum DNA", "gain"] == pytest.approx(0, abs=0.1)
    assert found.loc["sum DNA", "gain of a constant error"] < -0.2  # it believes the prediction


def test_intervals_and_counts(judged):
    found = summarise_numbers(judged).set_index("number")
    assert found["in 68 %"].between(0.6, 0.76).all()
    assert found["matched"].between(0.65, 0.85).all()
    assert (found["low"] <= found["gain"]).all()
    assert (found["gain"] <= found["high"]).all()


def test_fields_with_few_cells_are_left_out():
    rng = np.random.default_rng(1)
    few = [*(cells(name, rng, 0.1) for name in "ab"), cells("c", rng, 0.1, count=8)]
    assert set(judge_numbers(few, ["outline_views"])["field"]) == {"a", "b"}
