"""Information gain by what a card holds, on made-up cells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.training.stain.calibrate.doubt import ObjectTruth, VirtualObjects
from napari_cytosynth.training.stain.calibrate.numbers import MatchedCells, gather
from napari_cytosynth.training.stain.objects.gain import (
    card_references,
    information_gain,
    why_no_gain,
)
from napari_cytosynth.zoo.card import ConfidenceTerm, ObjectDoubt, ObjectNumber


def cells(group, rng, scatter=0.1, count=200):
    """Return cells of which three quarters are matched; their area is known, their sum is luck."""
    iou = np.where(np.arange(count) % 4 == 0, 0.2, 0.8)
    truth = ObjectTruth(iou, iou < 0.1, iou < 0.5)
    matched = np.flatnonzero(iou >= 0.5)
    real = rng.lognormal(6, 0.5, len(matched))
    virtual = real * np.exp(rng.normal(0, scatter, len(matched)))
    luck = rng.permutation(real)
    return MatchedCells(
        VirtualObjects(group, {}, truth),
        matched,
        {"area_px": virtual, "sum DNA": luck},
        {"area_px": real, "sum DNA": real},
    )


def block_of(fields):
    """Return the block of a card that was fitted on fields."""
    doubts = [np.zeros(len(one.matched)) for one in fields]
    numbers = {}
    for name in ("area_px", "sum DNA"):
        found = gather(name, fields, doubts).reference()
        fit = vars(found.fit)
        numbers[name] = ObjectNumber(
            **fit, constant_error=found.constant_error, population=found.population.as_card()
        )
    return ObjectDoubt(
        stain="DNA", segmenter="fluo-nuclei-unet", intercept=0, wrong=0.2, count=9, fields=3,
        terms={"outline_views": ConfidenceTerm(weight=1)}, numbers=numbers,
    )  # fmt: skip


@pytest.fixture(scope="module")
def block():
    rng = np.random.default_rng(0)
    return block_of([cells(name, rng) for name in "abcd"])


def gain(block, fields):
    doubts = [np.zeros(len(one.matched)) for one in fields]
    return information_gain(card_references(block), fields, doubts)


def test_a_number_that_tells_gains_and_luck_does_not(block):
    rng = np.random.default_rng(1)
    found = gain(block, [cells(name, rng) for name in "xyz"]).set_index("number")
    # ln(0.5 / 0.1), less the long tails
    assert found.loc["area_px", "gain"] == pytest.approx(np.log(5), abs=0.25)
    assert found.loc["area_px", "low"] > 1.2
    assert found.loc["sum DNA", "high"] < 0.1
    assert found.loc["sum DNA", "gain of a constant error"] < -0.2  # it believes the prediction
    assert found["matched"].tolist() == [0.75, 0.75]
    assert found["in 68 %"].between(0.6, 0.76).all()


def test_a_model_that_got_worse_loses_against_the_population(block):
    rng = np.random.default_rng(2)
    found = gain(block, [cells(name, rng, scatter=0.9) for name in "xyz"]).set_index("number")
    assert found.loc["area_px", "high"] < 0


def test_one_field_has_an_interval_of_its_cells(block):
    found = gain(block, [cells("x", np.random.default_rng(3))]).set_index("number")
    row = found.loc["area_px"]
    assert row["fields"] == 1
    assert row["low"] < row["gain"] - 0.05 < row["gain"] + 0.05 < row["high"]


def test_a_handful_of_cells_is_not_judged(block):
    assert gain(block, [cells("x", np.random.default_rng(4), count=8)]).empty


def test_why_a_card_has_no_gain(block):
    assert why_no_gain(block) == ""
    assert "no calibration of the numbers" in why_no_gain(None)
    assert "--calibrate" in why_no_gain(block.model_copy(update={"numbers": {}}))
    older = {
        name: one.model_copy(update={"population": None}) for name, one in block.numbers.items()
    }
    assert "earlier version" in why_no_gain(block.model_copy(update={"numbers": older}))
