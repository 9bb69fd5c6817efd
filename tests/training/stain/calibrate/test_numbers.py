"""Information gain of the numbers of virtual cells, on made-up cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cytosynth.training.stain.calibrate.doubt import ObjectTruth, VirtualObjects
from napari_cytosynth.training.stain.calibrate.numbers import (
    MatchedCells,
    gather,
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


def test_a_stain_that_is_left_out_of_a_field_is_fitted_and_judged_on_the_others():
    rng = np.random.default_rng(2)
    fields = [cells(name, rng, 0.1) for name in "abcd"]
    fields[1] = replace(
        fields[1],
        virtual={"area_px": fields[1].virtual["area_px"]},
        real={"area_px": fields[1].real["area_px"]},
    )
    judged = judge_numbers(fields, ["outline_views"])
    assert set(judged[judged["number"] == "sum DNA"]["field"]) == {"a", "c", "d"}
    assert set(judged[judged["number"] == "area_px"]["field"]) == set("abcd")
    doubts = [np.full(len(one.matched), index) for index, one in enumerate(fields)]
    sample = gather("sum DNA", fields, doubts)
    assert set(sample.fields) == {"a", "c", "d"}
    assert set(sample.doubt) == {0, 2, 3}


def test_intervals_hold_in_fields_that_are_brighter_or_dimmer_than_predicted():
    rng = np.random.default_rng(3)

    def moved(one, offset):
        return replace(one, virtual={n: v * np.exp(offset) for n, v in one.virtual.items()})

    offsets = (0.3, -0.3, 0.25, -0.2, 0.15, -0.25)
    fields = [moved(cells(f"f{o}", rng, 0.1), o) for o in offsets]
    found = summarise_numbers(judge_numbers(fields, ["outline_views"])).set_index("number")
    assert 0.6 <= found.loc["area_px", "in 68 %"] <= 0.85
    plain = [cells(name, rng, 0.1) for name in "abcdef"]
    found = summarise_numbers(judge_numbers(plain, ["outline_views"]))
    assert found["in 68 %"].iloc[0] == pytest.approx(0.68, abs=0.05)
