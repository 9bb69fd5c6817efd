"""Spread over views, relative to what is usual at that brightness."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.tasks.stain.excess import (
    says_more_than_brightness,
    views_excess,
    why_no_excess,
)
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.zoo.card import StainError, StainUncertainty, TypicalSpread


def curves(exponent=0.0, **spreads):
    known = {name: TypicalSpread(usual=usual, exponent=exponent) for name, usual in spreads.items()}
    curve = StainError(levels=[0, 1], errors=[0.5, 1.0], spreads=known)
    return StainUncertainty(stains=[curve, curve])


@pytest.fixture
def staining(make_stainer):
    def make(known, views=True):
        older = dict.fromkeys(("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples"))
        model = make_stainer(uncertainty=known, **(older if known else {}))
        mean = np.array([[[100, 1100]], [[50, 250]]], np.float32)  # levels 0 and 1
        spread = np.array([[[10, 10]], [[2, 20]]], np.float32)
        run = SimpleNamespace(model=model)
        std = spread if views else None
        return Staining(mean, None, ("DNA", "AGP"), "CYX", view_std=std, run=run)

    return make


def test_a_spread_is_compared_with_the_usual_one_at_its_brightness(staining):
    result = staining(curves(views=[0.01, 0.1]))
    for stain, ratios in (("DNA", [1, 0.1]), ("AGP", [1, 1])):
        number = result.channels.index(stain)
        found = views_excess(result, stain)(result.mean[number], result.view_std[number])
        np.testing.assert_allclose(found[0], ratios, rtol=1e-5)


def test_without_a_usual_one_the_typical_error_stands_in(staining):
    result = staining(curves())
    found = views_excess(result, "AGP")(result.mean[1], result.view_std[1])
    np.testing.assert_allclose(found[0], [0.02, 0.1], rtol=1e-5)


def test_without_views_or_a_curve_there_is_none_and_it_says_which(staining):
    assert why_no_excess(staining(curves())) == ""
    for result, why in (
        (staining(curves(), views=False), "one view"),
        (staining(None), "no curve"),
    ):
        assert views_excess(result, "DNA") is None
        assert why in why_no_excess(result)
    elsewhere = Staining(np.zeros((1, 4, 4), np.float32), None, ("DNA",), "CYX")
    assert views_excess(elsewhere, "DNA") is None
    assert why_no_excess(elsewhere)


def test_whether_a_spread_says_more_than_the_brightness_stands_on_the_card(staining):
    def said(known, name="samples"):
        return says_more_than_brightness(staining(known).run.model.card.inference, name)

    assert said(curves(samples=[0.1, 0.1])) is False
    assert said(curves(0.5, samples=[0.1, 0.1])) is True
    assert said(curves(0.5, views=[0.1, 0.1])) is None
    assert said(None) is None
