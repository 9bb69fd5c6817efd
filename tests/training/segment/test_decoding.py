from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.training.segment.decoding import choose_decoding, choose_part_sizes
from napari_cytosynth.training.segment.thresholds import Predictions

DIAMETER = 18.0


def _image(seed: int, *, debris: int, noise: float = 0.1) -> Predictions:
    """A field of discs as a trained network sees it, with spots that are no cells."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160]
    truth = np.zeros((160, 160), np.int32)
    for number in range(16):
        middle = np.array([20 + 38 * (number // 4), 20 + 38 * (number % 4)]) + rng.integers(
            -4, 5, 2
        )
        truth[np.hypot(y - middle[0], x - middle[1]) < DIAMETER / 2] = number + 1
    flows = 5 * flow_field(truth)
    probability = np.where(truth > 0, 0.93, 0.05)
    for number in range(debris):
        middle = (40 + 38 * (number % 3), 40 + 38 * (number // 3 % 3))
        spot = (np.hypot(y - middle[0], x - middle[1]) < 3.5) & (truth == 0)
        probability[spot] = rng.uniform(0.6, 0.85)
        flows[:, spot] = rng.normal(0, 1, (2, spot.sum()))
    probability = np.clip(probability + rng.normal(0, noise / 5, truth.shape), 0, 1)
    flows += rng.normal(0, noise, flows.shape)
    every = np.stack([probability, *flows]).astype(np.float32)
    maps = np.stack([truth > 0, *flow_field(truth)]).astype(np.float32)
    return Predictions(f"{seed}", every, maps, truth)


def test_small_spots_without_a_centre_are_dropped_by_what_is_chosen():
    choice = choose_decoding([_image(seed, debris=9) for seed in range(4)], 1, DIAMETER)
    assert choice.score > 0.95
    strict_limit = choice.flows.error_limit is not None and choice.flows.error_limit < 1
    assert choice.min_size > 40 or strict_limit or choice.threshold > 0.8
    assert choice.flows.scale == 5
    assert choice.diameter == DIAMETER


def test_nothing_is_dropped_where_every_object_is_right():
    choice = choose_decoding([_image(seed, debris=0) for seed in range(3)], 1, DIAMETER)
    assert choice.min_size == 0
    assert choice.flows.error_limit is None
    assert choice.confidence is None
    assert "are right" in str(choice.scores)


def test_the_card_knows_how_large_and_how_many_objects_are():
    expected = choose_decoding([_image(s, debris=0) for s in range(3)], 1, DIAMETER).expected
    truth = _image(0, debris=0).truth
    assert expected.foreground is not None
    assert expected.diameter is not None
    assert expected.foreground[1] == pytest.approx((truth > 0).mean(), rel=0.1)
    assert expected.diameter[1] == pytest.approx(DIAMETER, rel=0.1)


def test_large_spots_stay_and_are_given_less_confidence():
    images = [_image(seed, debris=9) for seed in range(4)]
    for image in images:  # as large and as bright as cells: only their flows are at odds
        y, x = np.mgrid[:160, :160]
        spot = (np.hypot(y - 78, x - 78) < 9) & (image.truth == 0)
        image.probability[0][spot] = 0.93
        rng = np.random.default_rng(1)
        angle = rng.uniform(0, 6.28, spot.sum())
        image.probability[1:, spot] = 2 * np.stack([np.sin(angle), np.cos(angle)])
    choice = choose_decoding(images, 1, DIAMETER)
    record = choice.record()
    assert set(record) >= {"threshold", "min_size", "error_limit", "diameter", "confidence"}
    assert choice.card_fields()["threshold"] == choice.threshold


def test_dust_of_masks_is_dropped_by_the_smallest_part():
    images = [_image(seed, debris=9) for seed in range(3)]  # spots of about 38 px
    chosen = choose_part_sizes(images, 0.5)
    assert 38 < chosen["min_size"] < np.pi / 4 * DIAMETER**2
    assert chosen["diameter"] == pytest.approx(DIAMETER, rel=0.1)
    assert chosen["expected"].diameter[0] > 7  # of what is left
    clean = choose_part_sizes([_image(seed, debris=0) for seed in range(3)], 0.5)
    assert clean["min_size"] == 0


def test_dust_of_the_drawing_is_no_object():
    image = _image(0, debris=0)
    image.maps[0, ::40, ::40] = 1
    assert choose_part_sizes([image], 0.5)["diameter"] == pytest.approx(DIAMETER, rel=0.1)
    image.maps[0] = 0
    image.maps[0, 5, 5] = 1
    assert choose_part_sizes([image], 0.5) == {}
