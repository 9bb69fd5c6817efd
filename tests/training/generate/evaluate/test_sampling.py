from __future__ import annotations

import numpy as np

from napari_cytosynth.training.generate.data import Crops
from napari_cytosynth.training.generate.evaluate.sampling import (
    Sampling,
    condition_groups,
    sample_like,
)


def crops(labels: list[int], conditions: list[float] | None = None) -> Crops:
    count = len(labels)
    told = np.zeros((count, 0)) if conditions is None else np.array(conditions)[:, None]
    return Crops(
        np.zeros((count, 3, 16, 16), np.float32),
        np.array(labels),
        told.astype(np.float32),
        np.zeros((count, 4), np.int32),
    )


def test_images_are_asked_for_in_the_mixture_of_the_real_ones() -> None:
    found = list(condition_groups(crops([1, 0, 1, 1]), classes=2, conditions=0))
    assert [(order.label, order.rows.tolist()) for order in found] == [(0, [1]), (1, [0, 2, 3])]
    [single] = condition_groups(crops([1, 0]), classes=0, conditions=0)
    assert (single.label, single.condition, len(single.rows)) == (None, None, 2)
    values = np.random.default_rng(0).permutation(32).astype(float)
    groups = list(condition_groups(crops([0] * 32, values.tolist()), classes=0, conditions=1))
    assert len(groups) == 8
    assert sorted(np.concatenate([group.rows for group in groups])) == list(range(32))
    assert [group.condition[0] for group in groups] == [1.5 + 4 * step for step in range(8)]


def test_an_image_has_its_own_seed_whatever_its_class(make_generator) -> None:
    model = make_generator("classes")
    ticks = []
    both = crops([1, 0, 1])
    images, told = sample_like(model, both, Sampling(seed=7), lambda *tick: ticks.append(tick[0]))
    assert images.shape == (3, 3, 16, 16)
    assert told.shape == (3, 0)
    assert ticks[-1] == 3
    assert ticks == sorted(ticks)
    [alone], _ = sample_like(model, crops([1]), Sampling(seed=9), lambda *_: None)
    np.testing.assert_allclose(images[2], alone, rtol=0, atol=1e-5)
