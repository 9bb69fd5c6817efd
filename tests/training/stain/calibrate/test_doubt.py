"""Doubt of virtual objects, fitted and judged on made-up objects of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

from napari_cytosynth.tasks.stain.objects.doubt import doubts
from napari_cytosynth.tasks.stain.objects.features import FEATURES
from napari_cytosynth.training.stain.calibrate.doubt import (
    ObjectTruth,
    VirtualObjects,
    fit_doubt,
    judge_doubt,
    object_truth,
)


def objects(group, rng, telling=2.0, count=300):
    wrong = rng.random(count) < 0.3
    features = {name: rng.normal(0, 1, count) for name in FEATURES}
    features["outline_views"] = rng.normal(0, 1, count) - telling * wrong
    features["log_area"] = rng.normal(0, 1, count) - 0.3 * wrong
    iou = np.where(wrong, rng.choice([0.0, 0.3], count), 0.8)
    truth = ObjectTruth(iou, iou < 0.1, (iou >= 0.1) & (iou < 0.5))
    return VirtualObjects(group, features, truth)


@pytest.fixture
def fields():
    rng = np.random.default_rng(0)
    return [objects(name, rng) for name in ("a", "b", "c", "c")]


def test_absent_and_deformed_are_told_apart_by_the_real_stain():
    real_labels = np.zeros((60, 90), np.int32)
    real_labels[disk((20, 20), 10)] = 4
    labels = np.zeros_like(real_labels)
    labels[disk((20, 20), 10)] = 1  # right
    labels[disk((45, 70), 8)] = 2  # nothing there
    labels[20:34, 33:48] = 3  # no real object, but stain
    rng = np.random.default_rng(0)
    real = rng.normal(100, 5, labels.shape) + 500 * (real_labels > 0)
    real[20:34, 33:48] += 300
    found = object_truth(labels, real_labels, real)
    assert found.iou[0] == 1
    assert found.iou[1] == 0
    np.testing.assert_array_equal(found.absent, [False, True, False])
    brighter = object_truth(labels, real_labels, real + 50 * (labels == 2))
    assert not brighter.absent[1]  # the segmenter missed it; the stain is there


def test_a_doubt_that_tells_is_judged_on_fields_that_its_fit_had_not_seen(fields):
    scores = judge_doubt(fields, ["outline_views", "log_area"])
    assert list(scores.table["field"]) == ["a", "b", "c"]
    assert scores.mean_auroc() > 0.88
    assert scores.mean_auroc() > scores.mean_auroc("size") + 0.2
    low, high = scores.interval(rival="size and brightness")
    assert 0.1 < low < high < 0.5
    assert scores.curve.error < 0.06
    risk = scores.risk_coverage()
    assert risk["wrong among them"].iloc[0] < 0.05
    assert risk["wrong among them"].iloc[-1] == pytest.approx(scores.wrong.mean())


def test_numbers_without_meaning_give_a_doubt_of_no_use():
    rng = np.random.default_rng(1)
    fields = [objects(name, rng, telling=0) for name in "abc"]
    scores = judge_doubt(fields, ["outline_views"])
    assert scores.mean_auroc() == pytest.approx(0.5, abs=0.06)
    np.testing.assert_allclose(scores.doubt, 0.3, atol=0.1)  # how many are wrong is all there is


def test_the_block_of_the_card_gives_the_same_doubts(fields):
    names = ["outline_views", "confidence"]
    scores = judge_doubt(fields, names)
    block = fit_doubt(fields, names, "DNA", "fluo-nuclei-unet", scores)
    assert (block.count, block.fields) == (1200, 3)
    own = doubts(block, fields[0].features)
    assert np.corrcoef(own, scores.doubt[:300])[0, 1] > 0.99
    limits, above, caught = map(np.array, zip(*block.hidden, strict=True))
    assert (np.diff(above) <= 0).all()
    assert (caught >= above - 0.02).all()  # hiding by doubt beats hiding at random
    assert limits[-1] < 1


def test_an_unknown_confidence_does_not_stop_the_fit(fields):
    fields[0].features["confidence"][:10] = np.nan
    assert judge_doubt(fields, ["outline_views", "confidence"]).mean_auroc() > 0.85
