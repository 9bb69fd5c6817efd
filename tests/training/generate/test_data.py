from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.generate.data import GenerateData

PAIRS = {"mask": "mask", "mask_name": "nuclei mask", "condition_on_fraction": True}


def test_the_three_parts_share_no_image(make_generate_recipe, tmp_path):
    (tmp_path / "image").mkdir()
    for seed in range(30):
        image = np.full((20, 20), seed, np.uint8)
        tifffile.imwrite(tmp_path / "image" / f"{seed}.tif", image)
    parts = {"train": ["image"], "hashed": "all"}
    files = GenerateData(make_generate_recipe(data={"parts": parts}), tmp_path).files
    names = [{file.name for file in files[part]} for part in ("train", "validation", "test")]
    assert all(names)
    assert sum(map(len, names)) == len(set.union(*names)) == 30


def test_crops_lie_between_minus_one_and_one_in_eight_bits(make_generate_recipe, generator_folder):
    crops = GenerateData(make_generate_recipe(), generator_folder).crops("train", 8)
    assert crops.images.shape == (8, 1, 16, 16)
    assert crops.images.min() >= -1
    assert crops.images.max() <= 1
    levels = (crops.images + 1) * 127.5
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_an_image_is_cut_alike_whatever_is_asked_for_besides(
    make_generate_recipe, generator_folder
):
    data = GenerateData(make_generate_recipe(), generator_folder)
    few, many = data.crops("train", 2, seed=3), data.crops("train", 6, seed=3)
    np.testing.assert_array_equal(few.images, many.images[:2])
    assert not np.array_equal(data.crops("train", 2, seed=4).images, few.images)


def test_the_index_tells_where_a_crop_was_cut(make_generate_recipe, generator_folder):
    data = GenerateData(make_generate_recipe(data={"turn": False}), generator_folder)
    crops = data.crops("train", 3)
    for image, (number, y, x, view) in zip(crops.images, crops.index, strict=True):
        assert view == 0
        whole = data.part("train").fields[number].cut()
        np.testing.assert_array_equal(image, whole[:, y : y + 16, x : x + 16])


def test_epochs_differ_and_can_be_repeated(make_generate_recipe, generator_folder):
    data = GenerateData(make_generate_recipe(), generator_folder)
    dataset = data.part("train")
    first = dataset[0][0]
    dataset.epoch = 1
    assert not torch.equal(dataset[0][0], first)
    dataset.epoch = 0
    assert torch.equal(dataset[0][0], first)


def test_the_mask_is_signed_and_its_share_is_told(make_generate_recipe, generator_folder):
    data = GenerateData(make_generate_recipe(data=PAIRS), generator_folder)
    crops = data.crops("train", 64)
    assert crops.images.shape[1] == 2
    mask = crops.images[:, 1]
    assert mask.min() == -1
    assert mask.max() == 1
    told = data.part("train")
    share = (mask > 0).mean((1, 2))
    np.testing.assert_allclose(crops.conditions[:, 0], (share - told.mean) / told.std, rtol=1e-4)
    # a test image is described on the same scale as the training images
    held_out = data.part("validation")
    assert (held_out.mean, held_out.std) == (told.mean, told.std)


def test_crops_around_the_foreground_hold_more_of_it(make_generate_recipe, generator_folder):
    means = [
        GenerateData(make_generate_recipe(data={"foreground_share": share}), generator_folder)
        .crops("train", 64)
        .images.mean()
        for share in (0.0, 1.0)
    ]
    assert means[1] > means[0] + 0.02


def test_a_missing_part_is_named(make_generate_recipe, generator_folder):
    data = GenerateData(make_generate_recipe(), generator_folder)
    with pytest.raises(RecipeError, match="names no images to test"):
        data.crops("test", 1)


def test_nothing_to_validate_with(make_generate_recipe, generator_folder):
    recipe = make_generate_recipe(data={"parts": {"train": ["image"]}})
    with pytest.raises(RecipeError, match="0 to validate"):
        GenerateData(recipe, generator_folder)
