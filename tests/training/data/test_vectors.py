from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.training.data.augmentation import cut, warp_crop
from napari_cytosynth.training.data.vectors import turn_vectors
from napari_cytosynth.training.recipe.base import AugmentRecipe


def _bent_objects() -> np.ndarray:
    """Two objects without any symmetry, that touch."""
    y, x = np.mgrid[:120, :120]
    labels = np.zeros((120, 120), np.int32)
    ring = np.hypot(y - 60, x - 60)
    labels[(ring > 18) & (ring < 40) & (y > 50)] = 1
    labels[(np.abs(y - 44) < 7) & (x > 30) & (x < 95)] = 2
    return labels


@pytest.mark.parametrize("seed", range(4))
def test_flows_of_a_warped_crop_lead_where_those_of_the_warped_objects_do(seed):
    labels = _bent_objects()
    stack = np.concatenate([labels[None].astype(np.float32), flow_field(labels)])
    recipe = AugmentRecipe(scale=(0.8, 1.25), elastic=4.0)
    crop = warp_crop(stack, (60, 60), 192, recipe, np.random.default_rng(seed), vectors=1).numpy()
    warped = np.rint(crop[0]).astype(np.int32)
    warped[np.abs(crop[0] - warped) > 1e-3] = 0  # mixtures of two objects
    expected = flow_field(warped)
    inner = (np.hypot(*expected) > 0.5) & (np.hypot(*crop[1:]) > 0.9)
    assert inner.sum() > 2000
    agreement = (expected * crop[1:]).sum(axis=0)[inner]
    # the crop's own centres lie a little elsewhere
    assert np.median(agreement) > 0.95
    assert np.mean(agreement > 0.7) > 0.7


def test_only_marked_channels_turn():
    stack = np.zeros((3, 40, 40), np.float32)
    stack[1] = 1.0  # downwards everywhere
    recipe = AugmentRecipe(rotate=True, elastic=0, scale=(1, 1))
    turned = warp_crop(stack, (20, 20), 16, recipe, np.random.default_rng(3), vectors=1)
    still = warp_crop(stack, (20, 20), 16, recipe, np.random.default_rng(3))
    assert (still[1] == 1).all()
    assert not np.allclose(turned[1], 1)
    np.testing.assert_allclose(np.hypot(*turned[1:].numpy()), 1, atol=1e-5)


def test_a_reflection_at_the_border_mirrors_vectors():
    stack = np.zeros((3, 20, 20), np.float32)
    stack[1], stack[2] = 1.0, 0.5
    window = cut(stack, (0, 19), 10, vectors=1)
    np.testing.assert_array_equal(window[1, :, 0], [-1] * 5 + [1] * 5)
    np.testing.assert_array_equal(window[2, 0], [0.5] * 6 + [-0.5] * 4)


def test_a_mirrored_grid_turns_one_component():
    line = torch.linspace(-1, 1, 8)
    y, x = torch.meshgrid(line, line, indexing="ij")
    vectors = torch.stack([torch.full((8, 8), 0.6), torch.full((8, 8), 0.8)])
    turned = turn_vectors(vectors, torch.stack([-x, y], dim=-1)[None])
    torch.testing.assert_close(turned[0], vectors[0])
    torch.testing.assert_close(turned[1], -vectors[1])
