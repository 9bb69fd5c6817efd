from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.training.data.augmentation import cut, jitter, warp_crop
from napari_cytosynth.training.recipe.base import AugmentRecipe

STILL = AugmentRecipe(
    rotate=False, scale=(1, 1), elastic=0, gamma=0, contrast=0, brightness=0, noise=0, blur=0
)


def test_a_crop_that_leaves_the_image_is_reflected():
    array = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    crop = cut(array, (0, 0), 4)
    np.testing.assert_array_equal(crop[0, :, 2], [8, 4, 0, 4])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 5), (1, 40, 3)])
def test_any_image_size_gives_a_full_crop(shape):
    array = np.random.default_rng(0).random(shape, np.float32)
    crop = warp_crop(array, (0, 0), 16, AugmentRecipe(), np.random.default_rng(1))
    assert crop.shape == (1, 16, 16)
    assert torch.isfinite(crop).all()


def test_without_changes_the_crop_is_one_of_the_eight_mirror_images():
    array = np.random.default_rng(0).random((1, 64, 64), np.float32)
    plain = cut(array, (32, 32), 16)[0]
    crop = warp_crop(array, (32, 32), 16, STILL, np.random.default_rng(5))[0].numpy()
    images = [np.rot90(flipped, k) for flipped in (plain, plain[:, ::-1]) for k in range(4)]
    assert min(np.abs(crop - image).max() for image in images) < 1e-4


def test_image_and_target_stay_aligned():
    image = np.random.default_rng(0).random((64, 64), np.float32)
    both = np.stack([image, image])
    crop = warp_crop(both, (30, 30), 32, AugmentRecipe(), np.random.default_rng(3))
    assert torch.equal(crop[0], crop[1])


def test_the_same_generator_state_gives_the_same_crop():
    array = np.random.default_rng(0).random((1, 64, 64), np.float32)
    recipe = AugmentRecipe(invert=0.5)

    def draw(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        return jitter(warp_crop(array, (30, 30), 32, recipe, rng), recipe, rng)

    assert torch.equal(draw(7), draw(7))
    assert not torch.equal(draw(7), draw(8))


def test_elastic_changes_bend_smoothly_and_no_further_than_asked():
    # what a crop shows of these is where its pixels come from
    places = np.indices((200, 200)).astype(np.float32)
    bent = STILL.model_copy(update={"elastic": 6.0})
    moved = []
    for seed in range(20):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        straight = warp_crop(places, (100, 100), 64, STILL, same)
        moved.append((warp_crop(places, (100, 100), 64, bent, rng) - straight).numpy())
    moved = np.array(moved)
    assert 3 < np.abs(moved).max() < 6 * 1.3  # bicubic curves overshoot
    assert np.abs(np.diff(moved, axis=-1)).max() < 1
