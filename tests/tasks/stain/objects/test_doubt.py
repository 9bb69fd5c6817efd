from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.stain.objects.doubt import doubts, wrong_share_above
from napari_cytosynth.zoo.card import ConfidenceTerm, ObjectDoubt


@pytest.fixture
def block():
    terms = {"outline_views": ConfidenceTerm(weight=-2.0, mean=0.8, std=0.1)}
    return ObjectDoubt(
        stain="DNA", segmenter="fluo-nuclei-unet", intercept=-1.0, terms=terms, wrong=0.3, count=9,
        fields=3,
    )  # fmt: skip


def test_doubt_is_the_logistic_of_the_terms(block):
    found = doubts(block, {"outline_views": np.array([0.8, 0.7, 0.9])})
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.array([-1, 1, -3]))))


def test_numbers_beyond_all_that_was_seen_count_no_further(block):
    far, absurd = doubts(block, {"outline_views": np.array([0.3, -1e9])})
    assert far == absurd < 1


def test_an_unknown_number_counts_as_usual(block):
    unknown, usual = doubts(block, {"outline_views": np.array([np.nan, 0.8])})
    assert unknown == usual


def test_the_share_of_the_wrong_above_a_limit_is_that_of_the_card(block):
    known = block.model_copy(update={"hidden": [(0.25, 0.5, 0.9), (0.75, 0.1, 0.3)]})
    shares = [wrong_share_above(known, limit) for limit in (-np.inf, 0, 0.25, 0.5, 0.75, 1)]
    assert shares == pytest.approx([1, 1, 0.9, 0.6, 0.3, 0])
    assert wrong_share_above(block, 0.5) is None
