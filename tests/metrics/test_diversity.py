from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import ms_ssim, pair_similarities, pairwise_diversity

IMAGES = np.random.default_rng(0).random((6, 2, 24, 24))


def test_every_pair_counts_once_and_no_image_is_paired_with_itself() -> None:
    found = pair_similarities(IMAGES, pairs=1000)
    expected = [
        np.mean([ms_ssim(IMAGES[i, c], IMAGES[j, c], 1) for c in range(2)])
        for j in range(6)
        for i in range(j)
    ]
    np.testing.assert_allclose(found, expected)
    assert pairwise_diversity(IMAGES, pairs=1000) == pytest.approx(np.mean(expected))


def test_pairs_are_drawn_by_the_seed_without_repeats() -> None:
    everything = set(pair_similarities(IMAGES, pairs=15))
    some = pair_similarities(IMAGES, pairs=7, seed=3)
    assert len(set(some)) == 7
    assert set(some) < everything
    assert pairwise_diversity(IMAGES, 7, seed=3) == some.mean()
    assert pairwise_diversity(IMAGES, 7, seed=4) != some.mean()


def test_a_generator_that_has_collapsed_has_no_diversity() -> None:
    real = pairwise_diversity(IMAGES)
    collapsed = np.repeat(IMAGES[:1], 6, axis=0)
    assert pairwise_diversity(collapsed) == pytest.approx(1)
    nearly = collapsed + 0.02 * (IMAGES - 0.5)
    assert real + 0.3 < pairwise_diversity(nearly) < 1


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="at least two images"):
        pairwise_diversity(IMAGES[:1])
    with pytest.raises(InputError, match="at least 11 px"):
        pairwise_diversity(IMAGES[..., :8, :8])
