from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.training.data.augmentation import cut, jitter, warp_crop
from napari_cytosynth.training.data.crops import CropDataset, Field
from napari_cytosynth.training.recipe.base import AugmentRecipe
from napari_cytosynth.training.segment.recipe import DataRecipe

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


# -- what differs between laboratories ------------------------------------------------------

LABS = {"curve": 0.5, "shading": 0.4, "coarsen": 1.5, "sharpen": 1.0}


def _image(channels=1, size=64):
    return torch.from_numpy(np.random.default_rng(0).random((channels, size, size), np.float32))


def _drawn(image, seeds=40, **settings):
    recipe = STILL.model_copy(update=settings)
    return [jitter(image, recipe, np.random.default_rng(seed)) for seed in range(seeds)]


@pytest.mark.parametrize("name", LABS)
def test_a_change_is_drawn_from_the_seed_and_keeps_size_and_input(name):
    image = _image(2, 48)
    kept = image.clone()
    first, again = (_drawn(image, **{name: LABS[name]}) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert all(each.shape == image.shape and torch.isfinite(each).all() for each in first)
    assert sum(not torch.allclose(each, image, atol=1e-4) for each in first) > 10
    assert torch.equal(image, kept)  # crops share memory with their targets


@pytest.mark.parametrize("name", LABS)
def test_a_change_that_is_off_draws_nothing(name):
    image, off = _image(), AugmentRecipe(blur=0, noise=0.1)
    rng, replayed = np.random.default_rng(3), np.random.default_rng(3)
    jitter(image, off, rng)
    for spread in (2 * off.gamma, off.contrast, off.brightness):
        replayed.uniform(-spread, spread)
    if replayed.random() < 0.5:
        replayed.standard_normal(image.shape, dtype=np.float32)
        replayed.uniform(0, off.noise)
    assert rng.bit_generator.state == replayed.bit_generator.state
    rng = np.random.default_rng(3)
    jitter(image, off.model_copy(update={name: LABS[name]}), rng)
    assert rng.bit_generator.state != replayed.bit_generator.state


def test_a_curve_keeps_black_white_and_the_order_of_greys_and_changes_the_middle():
    greys = torch.linspace(-0.5, 1.5, 401).reshape(1, 1, 401)
    slopes = []
    for bent in _drawn(greys, curve=0.9):
        assert (torch.diff(bent) > 0).all()
        ends = greys[0, 0, [0, 100, 200, 300, 400]]
        torch.testing.assert_close(bent[0, 0, [0, 100, 200, 300, 400]], ends)
        slopes.append(float(bent[0, 0, 201] - bent[0, 0, 199]) / 0.01)
    assert 0.1 < min(slopes) < 0.5
    assert 1.5 < max(slopes) < 1.9


def test_shading_is_smooth_the_same_in_all_channels_and_no_stronger_than_asked():
    shaded = torch.stack(_drawn(torch.ones(2, 96, 96), shading=0.4))
    assert torch.equal(shaded[:, 0], shaded[:, 1])
    assert 0.3 < (shaded - 1).abs().max() <= 0.4 + 1e-6
    assert torch.diff(shaded, dim=-1).abs().max() < 0.04


def test_coarse_images_lose_their_fine_structure_only_and_stay_in_place():
    size = 64
    rows = torch.arange(size).float()
    fine, broad = torch.cos(rows * np.pi), torch.cos(rows * 2 * np.pi / 32)
    image = torch.stack([fine, broad])[:, :, None].expand(2, size, size).contiguous()
    drawn = torch.stack(_drawn(image, coarsen=1.0))[..., 8:-8, 8:-8]
    left = drawn.std((-1, -2)) / image[..., 8:-8, 8:-8].std((-1, -2))
    assert left[:, 0].min() < 0.1
    assert left[:, 1].min() > 0.9
    place = torch.stack(_drawn(rows[None, :, None].expand(1, size, size), coarsen=1.0))
    inside = (place - rows[:, None])[..., 8:-8, 8:-8]
    assert inside.abs().max() < 0.5


def test_sharpening_raises_edges_by_no_more_than_asked_and_leaves_flat_parts():
    image = torch.zeros(1, 64, 64)
    image[..., 32:] = 1
    sharp = torch.stack(_drawn(image, sharpen=1.0))
    assert 1.2 < sharp.max() < 1.5 + 1e-5  # half a step is fine structure
    torch.testing.assert_close(sharp[..., :20], torch.zeros(40, 1, 64, 20))


def test_the_truth_is_that_of_the_same_crop_without_these_changes():
    field = Field("a", _image().numpy(), _image().numpy(), _image()[0].numpy())
    target = [
        CropDataset([field], DataRecipe(targets=[{"folder": "m"}], crop_size=32, augment=each), 0)
        for each in (AugmentRecipe(), AugmentRecipe(**LABS))
    ]
    for index in range(8):
        (plain, truth), (changed, same) = target[0][index], target[1][index]
        assert torch.equal(truth, same)
        assert not torch.equal(plain, changed)
