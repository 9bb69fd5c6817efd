"""When a result is doubted, and when nothing is said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.tasks.segment.result_check import (
    ResultFacts,
    TrainingFacts,
    check_result,
    facts_of,
)

EXPECTED = SimpleNamespace(
    foreground=(0.04, 0.15, 0.4), diameter=(12.0, 20.0, 40.0), confidence=(0.8, 0.9, 0.95)
)
USUAL = ResultFacts(345, 0.2, 20.0, 0.9, 0.05)


def check(**values):
    return check_result(replace(USUAL, **values), EXPECTED, "nuclei", "fluorescence")


def test_a_usual_result_is_not_doubted():
    assert check() == ""
    assert check(foreground=0.03, diameter=30.0, confidence=0.7, doubtful=0.4) == ""
    assert check(confidence=None, doubtful=None) == ""


def test_most_objects_doubtful():
    assert check(doubtful=0.7, confidence=0.3) == (
        "345 nuclei, most of them doubtful: this model was trained on fluorescence."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"foreground": 0.9}, "on 90 % of the area (in validation images 4 to 40 %)"),
        ({"foreground": 0.001}, "on 0.1 % of the area"),
        ({"diameter": 3.0}, "too small (half of them under 3 px across"),
        ({"diameter": 200.0}, "too large"),
        ({"confidence": 0.55}, "less sure of than usual (a mean confidence of 0.55"),
    ],
)
def test_what_lies_far_outside(values, words):
    assert words in check(**values)


def test_confidences_are_not_believed_in_an_image_unlike_those_of_the_training():
    def said(**values):
        found = replace(USUAL, **values)
        return check_result(found, EXPECTED, "nuclei", "fluorescence", unlike=True)

    usual = said()  # the objects themselves look as they should
    assert usual == (
        "345 nuclei, of unknown confidence in an image unlike those of the training: this model "
        "was trained on fluorescence."
    )
    assert "confidence" not in said(confidence=None, doubtful=None)
    assert "345 nuclei, in an image unlike" in said(confidence=None, doubtful=None)
    assert "345 nuclei, most of them doubtful: " in said(doubtful=0.7, confidence=0.3)
    assert "mean confidence" not in said(confidence=0.1)  # a number would look as if it were known
    assert "unknown confidence in an image" in said(foreground=0.9)
    assert "on 90 % of the area" in said(foreground=0.9)
    assert said(count=0, confidence=None, doubtful=None) == ""  # none is what should be there
    assert check_result(USUAL, None, unlike=True) == (
        "345 objects, of unknown confidence in an image unlike those of the training."
    )


def test_nothing_found():
    sentence = check(count=0, foreground=0.0, diameter=None, confidence=None, doubtful=None)
    assert sentence == (
        "No nuclei (in validation images they cover 4 to 40 % of the area): this model was trained "
        "on fluorescence."
    )


def test_a_card_that_does_not_tell_says_nothing():
    odd = ResultFacts(1, 0.99, 1.0, 0.1, 1.0)
    assert check_result(odd, None) == ""
    silent = SimpleNamespace(foreground=None, diameter=None, confidence=None)
    assert "most of them doubtful: the image may be unlike" in check_result(odd, silent)


def test_facts_of_a_result():
    labels = np.zeros((10, 10), np.int32)
    labels[:5, :4] = 1
    found = SimpleNamespace(labels=labels, pixel_size=(0.5, 0.5))
    table = pd.DataFrame({"area_px": [20], "confidence": [0.3]})
    facts = facts_of(found, table, 0.25)
    assert (facts.count, facts.foreground, facts.doubtful) == (1, 0.2, 1.0)
    assert facts.diameter == pytest.approx(2 * 2 * np.sqrt(20 / np.pi))
    assert facts_of(found, table[["area_px"]]).confidence is None
    assert facts_of(found, table[:0]) == ResultFacts(0, 0.2)
    unknown = table.assign(confidence=[np.nan])
    assert facts_of(found, unknown).doubtful is None


def test_sizes_are_compared_on_the_grid_of_the_model():
    labels = np.zeros((100, 100), np.int32)
    labels[:80, :80] = 1
    found = SimpleNamespace(labels=labels, pixel_size=None)
    table = pd.DataFrame({"area_px": [6400]})  # 90 px across
    expected = SimpleNamespace(foreground=None, diameter=(8.0, 10.0, 12.0), confidence=None)
    training = TrainingFacts(expected, "fluorescence", diameter=10.0)
    assert "too large" in training.doubt(found, table, "nuclei", None)
    assert training.doubt(found, table, "nuclei", 90.0) == ""
    assert TrainingFacts().doubt(found, table, "nuclei", None) == ""
