from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.training.data.augmentation import cut, jitter, warp_crop
from napari_cytosynth.training.data.crops import CropDataset, Field, Planes


def levels(*values, channels=1):
    """Planes of one value each, (planes times channels, Y, X)."""
    return torch.tensor(values).repeat_interleave(channels)[:, None, None].expand(-1, 4, 5)


def drawn(planes, image, draws=300):
    rng = np.random.default_rng(0)
    return [planes.draw(image, rng) for _ in range(draws)]


def test_a_single_plane_draws_nothing():
    rng, image = np.random.default_rng(3), torch.rand(2, 4, 5)
    assert Planes(between=0.5).draw(image, rng) is image
    assert rng.random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("channels", [1, 2])
def test_every_plane_is_drawn_and_keeps_its_channels(channels):
    found = drawn(Planes(3), levels(1.0, 2.0, 3.0, channels=channels))
    assert {tuple(crop.shape) for crop in found} == {(channels, 4, 5)}
    counts = [sum(bool((crop == value).all()) for crop in found) for value in (1, 2, 3)]
    assert sum(counts) == len(found)  # no crop mixes planes
    assert min(counts) > 60


def test_blends_lie_between_neighbours_only():
    image = levels(0.0, 1.0, 10.0)
    values = np.array([float(crop[0, 0, 0]) for crop in drawn(Planes(3, 1.0), image)])
    low, high = values[values <= 1], values[values > 1]
    assert min(len(low), len(high)) > 100  # both pairs of neighbours
    assert low.min() > 0
    assert high.max() < 10
    assert low.std() > 0.2
    assert high.std() > 2
    # a blend of the outer planes, without the middle one, would be none of these
    image = levels(0.0, 5.0, 0.0)
    middles = [float(crop[0, 0, 0]) for crop in drawn(Planes(3, 1.0), image)]
    assert min(middles) > 0


def test_about_the_given_share_of_the_crops_is_a_blend():
    found = drawn(Planes(2, 0.25), levels(0.0, 1.0), 1000)
    blends = sum(0 < float(crop[0, 0, 0]) < 1 for crop in found)
    assert blends == pytest.approx(250, abs=50)


@pytest.fixture
def fields():
    rng = np.random.default_rng(0)
    arrays = [rng.random((count, 40, 48), np.float32) for count in (1, 1, 2)]
    image, other, maps = arrays
    return [Field("a", image, maps, maps), Field("b", other, maps, maps)]


@pytest.mark.parametrize("augment", [None, {}])
def test_crops_of_a_single_folder_are_what_they_always_were(make_stain_recipe, fields, augment):
    # the same draws in the same order: place, warp, jitter, and nothing between
    data = make_stain_recipe(data={"augment": augment}).data
    dataset = CropDataset(fields, data, 5)
    for index in range(6):
        rng = np.random.default_rng((5, 0, index))
        number, centre = dataset._place(index, rng)
        if data.augment is None:
            both = torch.from_numpy(cut(dataset.stacks[number], centre, 32))
            expected = both[:1]
        else:
            both = warp_crop(dataset.stacks[number], centre, 32, data.augment, rng)
            expected = jitter(both[:1], data.augment, rng)
        image, target = dataset[index]
        assert torch.equal(image, expected)
        assert torch.equal(target, both[1:])


def test_the_same_item_shows_the_same_plane_and_epochs_differ(make_stain_recipe, fields):
    planes = [Field("a", np.repeat(np.arange(3.0, dtype=np.float32)[:, None, None] + field.image,
                                   1, 0), field.maps, field.truth) for field in fields]  # fmt: skip
    data = make_stain_recipe(data={"augment": None}).data
    first, again = (CropDataset(planes, data, 1, planes=Planes(3, 0.3)) for _ in range(2))
    assert all(torch.equal(first[k][0], again[k][0]) for k in range(8))
    assert {first[k][0].shape for k in range(8)} == {(1, 32, 32)}
    levels_seen = {int(first[k][0].mean()) for k in range(16)}
    assert levels_seen == {0, 1, 2}
    again.epoch = 1
    assert not all(torch.equal(first[k][0], again[k][0]) for k in range(8))
