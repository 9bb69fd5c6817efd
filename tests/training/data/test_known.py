from __future__ import annotations

import numpy as np
import torch

from napari_cytosynth.training.data.crops import CropDataset, Field
from napari_cytosynth.training.recipe.base import AugmentRecipe, FieldDataRecipe

POISON = 1000.0


def _crops(known, maps, **settings):
    image = np.random.default_rng(0).random((1, *known.shape), np.float32)
    field = Field("a", image, maps[None], maps, known=known[None])
    recipe = FieldDataRecipe(crop_size=32, crops_per_epoch=40, **settings)
    crops = CropDataset([field], recipe, seed=0)
    return [crops[index] for index in range(len(crops))]


def test_what_is_unknown_never_becomes_a_target_however_a_crop_is_warped():
    known = np.zeros((96, 112), bool)
    known[30:60, 20:90] = True
    known[70:73, 10:100] = True  # a stroke 3 px wide
    maps = np.where(known, 1.0, POISON).astype(np.float32)
    augment = AugmentRecipe(scale=(0.6, 1.6), elastic=6)
    for _, target in _crops(known, maps, augment=augment):
        values, seen = target
        assert set(seen.unique().tolist()) <= {0.0, 1.0}
        assert torch.allclose(values[seen > 0], torch.tensor(1.0), atol=1e-4)
        assert not values[seen == 0].any()


def test_every_crop_shows_something_annotated_and_half_of_them_an_object():
    known = np.zeros((400, 400), bool)
    known[10:14, 10:14] = known[380:384, 390:394] = True
    maps = np.zeros(known.shape, np.float32)
    maps[10:14, 10:14] = 1
    crops = _crops(known, maps, foreground_share=0.5, augment=AugmentRecipe(scale=(0.8, 1.25)))
    assert all(target[1].any() for _, target in crops)
    shown = sum(bool((target[0] * target[1]).any()) for _, target in crops)
    assert 0.5 * len(crops) < shown < len(crops)


def test_a_field_that_is_known_everywhere_gives_the_crops_of_full_truth():
    maps = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    image = maps[None]
    recipe = FieldDataRecipe(crop_size=32, crops_per_epoch=4, augment=None)
    full = CropDataset([Field("a", image, image, maps)], recipe, seed=0)
    everywhere = np.ones((1, 64, 64), bool)
    known = CropDataset([Field("a", image, image, maps, known=everywhere)], recipe, seed=0)
    assert len(full[0][1]) == 1
    image_of_crop, target = known[0]
    assert torch.allclose(target[0], image_of_crop[0])
    assert bool(target[1].all())
