from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import manifold_scores


def test_six_points_on_a_line() -> None:
    """Radii to the nearest neighbour: real 1, 1, 2; generated 1.5, 1.5, 18."""
    real, generated = [[0.0], [1.0], [3.0]], [[0.5], [2.0], [20.0]]
    scores = manifold_scores(real, generated, k=1)
    # 0.5 lies near 0 and 1; 2 near 1 and 3; 20 near none
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.density == pytest.approx(4 / 3)
    assert scores.coverage == 1
    # 0 lies near 0.5; 1 near both; 3 near 2 and near 20, which is lonely
    assert scores.recall == 1


def test_a_set_against_itself_is_perfect() -> None:
    points = np.random.default_rng(0).normal(size=(40, 3))
    scores = manifold_scores(points, points, k=3)
    assert scores.precision == scores.recall == scores.coverage == 1


def test_real_images_against_real_ones_score_about_one() -> None:
    real, others = np.random.default_rng(1).normal(size=(2, 400, 4))
    scores = manifold_scores(real, others)
    assert scores.precision > 0.9
    assert scores.recall > 0.9
    assert scores.coverage > 0.9
    assert scores.density == pytest.approx(1, abs=0.15)


def test_noise_far_from_real_images_scores_nothing() -> None:
    rng = np.random.default_rng(2)
    scores = manifold_scores(rng.normal(size=(50, 4)), rng.normal(size=(50, 4)) + 100)
    assert (scores.precision, scores.recall, scores.density, scores.coverage) == (0, 0, 0, 0)


def test_a_generator_that_makes_one_kind_only_is_precise_but_covers_little() -> None:
    rng = np.random.default_rng(3)
    real = np.concatenate([rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 50])
    scores = manifold_scores(real, rng.normal(size=(200, 3)))
    assert scores.precision > 0.9
    assert scores.recall < 0.55
    assert scores.coverage < 0.55


def test_a_lonely_real_image_inflates_precision_but_hardly_density() -> None:
    rng = np.random.default_rng(4)
    real = np.concatenate([rng.normal(size=(99, 2)), [[60.0, 0.0]]])
    noise = np.array([30.0, 0.0]) + rng.normal(size=(100, 2))
    scores = manifold_scores(real, noise)
    assert scores.precision > 0.9
    assert scores.density < 0.3


def test_too_few_images_are_refused() -> None:
    points = np.zeros((5, 2))
    with pytest.raises(InputError, match="at least 6 images"):
        manifold_scores(points, points)
    with pytest.raises(InputError, match="at least one neighbour"):
        manifold_scores(points, points, k=0)
