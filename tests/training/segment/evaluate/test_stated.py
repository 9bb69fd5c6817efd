from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.metrics import auroc
from napari_cytosynth.training.segment.evaluate.stated import (
    LOW_ERROR,
    StatedScores,
    stated_scores,
)


def objects(flow_weight: float, count: int = 2000, images: int = 40, seed: int = 0):
    """Objects whose chance to be right is known, and is their stated confidence."""
    rng = np.random.default_rng(seed)
    probability, error = rng.normal(size=(2, count))
    confidence = 1 / (1 + np.exp(-(1 + probability - flow_weight * error)))
    right = rng.random(count) < confidence
    columns = {"mean probability": probability, "flow error": error}
    return confidence, columns, right, rng.integers(0, images, count)


def test_a_confidence_that_keeps_its_word_is_told_from_one_that_does_not() -> None:
    confidence, *rest = objects(1.5)
    honest = stated_scores(confidence, *rest)
    boast = stated_scores(confidence**0.2, *rest)
    assert honest.curve.error < 0.03
    assert boast.curve.error > 0.1
    assert boast.auroc["confidence"] == pytest.approx(honest.auroc["confidence"])
    assert sum(honest.curve.count) == honest.right + honest.wrong == 2000
    assert "calibration error 0.0" in honest.summary()


def test_ingredients_stand_beside_it_and_little_flow_error_speaks_for_an_object() -> None:
    confidence, columns, right, image = objects(1.5)
    scores = stated_scores(confidence, columns, right, image)
    assert list(scores.auroc) == ["confidence", "mean probability", LOW_ERROR]
    assert scores.auroc[LOW_ERROR] == pytest.approx(1 - auroc(columns["flow error"], right))
    assert scores.auroc[LOW_ERROR] > 0.6
    for name, (low, high) in scores.intervals.items():
        assert low < scores.auroc[name] < high
    assert "tells more than the mean probability" in scores.record()["verdict"]


def test_a_confidence_of_nothing_but_the_probability_gains_nothing() -> None:
    confidence, columns, right, image = objects(0)
    scores = stated_scores(confidence, columns, right, image)
    assert scores.gain == pytest.approx((0, 0, 0))
    assert "does not tell more than" in scores.summary()


def test_a_small_gain_may_be_chance() -> None:
    # 20 seeds of a confidence that mixes noise into the probability: it is hardly ever better
    boasts = []
    for seed in range(20):
        _, columns, right, image = objects(0, count=300, seed=seed)
        noise = np.random.default_rng(seed + 50).normal(size=300)
        mixed = 1 / (1 + np.exp(-(columns["mean probability"] + 0.2 * noise)))
        boasts.append("tells more" in stated_scores(mixed, columns, right, image).summary())
    assert sum(boasts) <= 2


def test_few_wrong_objects_are_said_to_be_too_few() -> None:
    confidence, columns, right, image = objects(1.5)
    few = right | (np.cumsum(~right) > 19)
    said = stated_scores(confidence, columns, few, image).summary()
    assert "Only 19 of 2000 objects are wrong: too few" in said
    enough = right | (np.cumsum(~right) > 20)
    assert "too few" not in stated_scores(confidence, columns, enough, image).summary()


@pytest.mark.parametrize(("right", "kind"), [(True, "right"), (False, "wrong")])
def test_objects_of_one_kind_have_no_auroc_but_a_reliability(right, kind) -> None:
    confidence, columns, _, image = objects(1.5, count=50)
    scores = stated_scores(confidence, columns, np.full(50, right), image)
    assert scores.auroc == {}
    assert f"All 50 objects are {kind}" in scores.summary()
    assert scores.test("blobs").right == 50 * right
    assert sum(scores.curve.count) == 50


def test_images_are_drawn_where_there_are_many_and_objects_where_there_are_few() -> None:
    """Objects of an image are alike: what tells images apart is surer by objects than it is."""
    rng = np.random.default_rng(1)
    image = np.repeat(np.arange(12), 50)
    right = rng.random(600) < np.repeat(np.linspace(0.3, 0.9, 12), 50)
    confidence = np.clip(np.repeat(np.linspace(0.3, 0.9, 12), 50) + rng.normal(0, 0.02, 600), 0, 1)

    def width(numbers: np.ndarray) -> tuple[str, float]:
        scores: StatedScores = stated_scores(confidence, {}, right, numbers)
        low, high = scores.intervals["confidence"]
        return scores.drawn, high - low

    assert width(image)[0] == "images"
    assert width(image // 6)[0] == "objects"
    assert width(image)[1] > 1.3 * width(image // 6)[1]
