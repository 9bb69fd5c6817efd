from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.generate.files import (
    find_images,
    mask_of,
    read_fields,
    read_pixels,
)

RGB = {"channels": ["red", "green", "blue"], "classes": ["healthy", "ill"], "scaling": "fixed"}


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory):
    """Green pictures of the healthy, red ones of the ill."""
    folder = tmp_path_factory.mktemp("classes")
    for part in ("train", "validation"):
        for name, channel in (("healthy", 1), ("ill", 0)):
            (folder / part / name).mkdir(parents=True)
            image = np.zeros((20, 24, 3), np.uint8)
            image[..., channel] = 200
            imsave(folder / part / name / "a.png", image, check_contrast=False)
    return folder


@pytest.fixture(scope="module")
def camelyon(tmp_path_factory):
    """Files as PatchCamelyon has them: …_x.h5 with (N, 96, 96, 3), …_y.h5 with (N, 1, 1, 1)."""
    folder = tmp_path_factory.mktemp("pcam")
    for part in ("train", "valid"):
        labels = np.array([0, 1, 1, 0], np.uint8).reshape(-1, 1, 1, 1)
        images = np.full((4, 24, 24, 3), 10, np.uint8) * (1 + labels)
        with h5py.File(folder / f"{part}_x.h5", "w") as file:
            file["x"] = images
        with h5py.File(folder / f"{part}_y.h5", "w") as file:
            file["y"] = labels
    return folder


def test_classes_are_read_from_their_folders(make_generate_recipe, class_folder):
    parts = {"train": ["train"], "validation": ["validation"]}
    recipe = make_generate_recipe(data={**RGB, "kind": "classes", "parts": parts})
    crops = GenerateData(recipe, class_folder).crops("train", 16)
    assert set(crops.labels) == {0, 1}
    reddest = crops.images.mean((2, 3)).argmax(1)
    np.testing.assert_array_equal(reddest, np.where(crops.labels == 1, 0, 1))


def test_patch_camelyon_is_read_row_by_row(make_generate_recipe, camelyon):
    parts = {"train": ["train_x.h5"], "validation": ["valid_x.h5"]}
    recipe = make_generate_recipe(data={**RGB, "kind": "hdf5", "parts": parts})
    data = GenerateData(recipe, camelyon)
    assert len(data.files["train"]) == 4
    crops = data.crops("train", 16)
    assert crops.images.shape == (16, 3, 16, 16)
    np.testing.assert_allclose(crops.images[:, 0, 0, 0], 10 * (1 + crops.labels) / 127.5 - 1)


def test_an_hdf5_file_of_another_kind(make_generate_recipe, camelyon):
    parts = {"train": ["train_y.h5"], "validation": ["valid_x.h5"]}
    recipe = make_generate_recipe(data={**RGB, "kind": "hdf5", "parts": parts})
    with pytest.raises(RecipeError, match="should end in _x"):
        find_images(recipe.data, camelyon)


def test_the_percentiles_of_a_source_scale_all_its_images(make_generate_recipe, tmp_path):
    for part, gain in (("train", 1000), ("validation", 500)):
        (tmp_path / "plate" / part).mkdir(parents=True)
        image = (np.linspace(0, gain, 400).reshape(20, 20)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "plate" / part / "a.tif", image)
    parts = {"train": ["plate/train"], "validation": ["plate/validation"]}
    recipe = make_generate_recipe(data={"parts": parts, "scaling": "source", "low": 0, "high": 100})
    files = find_images(recipe.data, tmp_path)
    (dim,) = read_fields(files["validation"], recipe.data, files["train"])
    assert dim.cut().max() == pytest.approx(0, abs=0.02)  # half as bright: the middle of [-1, 1]
    alone = recipe.data.model_copy(update={"scaling": "image"})
    (bright,) = read_fields(files["validation"], alone, files["train"])
    assert bright.cut().max() == 1


def test_shrinking_averages_pixels(make_generate_recipe, tmp_path):
    (tmp_path / "image").mkdir()
    checks = np.indices((40, 40)).sum(0) % 2 * 255
    tifffile.imwrite(tmp_path / "image" / "a.tif", checks.astype(np.uint8))
    recipe = make_generate_recipe(
        data={"parts": {"train": ["image"]}, "shrink": 2, "scaling": "fixed"}
    )
    files = find_images(recipe.data, tmp_path)
    (field,) = read_fields(files["train"], recipe.data, files["train"])
    assert field.shape == (20, 20)
    assert np.ptp(field.cut()) == 0


def test_a_dim_image_of_16_bits_stays_dim(make_generate_recipe, tmp_path):
    (tmp_path / "image").mkdir()
    tifffile.imwrite(tmp_path / "image" / "a.tif", np.full((20, 20), 250, np.uint16))
    recipe = make_generate_recipe(data={"parts": {"train": ["image"]}, "scaling": "fixed"})
    files = find_images(recipe.data, tmp_path)
    (field,) = read_fields(files["train"], recipe.data, files["train"])
    assert field.cut().max() < -0.98


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": {"train": ["nowhere"]}}, "does not exist"),
        ({"parts": {"train": ["image"], "validation_names": ["99"]}}, "not found: 99"),
        ({"mask": "nowhere"}, "has no mask"),
    ],
)
def test_folders_that_do_not_fit(make_generate_recipe, generator_folder, change, message):
    recipe = make_generate_recipe(data=change)
    with pytest.raises(RecipeError, match=message):
        find_images(recipe.data, generator_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_size": 128}, "smaller than a crop"),
        ({"channels": ["red", "green", "blue"]}, "data.channels names 3"),
    ],
)
def test_images_that_do_not_fit(make_generate_recipe, generator_folder, change, message):
    recipe = make_generate_recipe(data=change)
    with pytest.raises(RecipeError, match=message):
        GenerateData(recipe, generator_folder).setup("fit")


def test_ome_zarr_images_and_masks_are_read(make_generate_recipe, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24)).astype(np.uint8)
    for folder in ("image", "mask"):
        group = zarr.open_group(tmp_path / folder / "a.ome.zarr", mode="w", zarr_format=2)
        group.create_array("0", data=pixels[None, None, None])
        group.attrs["multiscales"] = [{"datasets": [{"path": "0"}]}]
    recipe = make_generate_recipe(data={"parts": {"train": ["image"]}, "mask": "mask"}).data
    (file,) = find_images(recipe, tmp_path)["train"]
    assert file.path.name == "a.ome.zarr"
    assert mask_of(file.path, recipe) == tmp_path / "mask" / "a.ome.zarr"
    assert read_pixels(file.path, recipe).shape == (1, 24, 24)


def test_a_mask_is_found_by_name_in_any_format_and_form(make_generate_recipe, tmp_path):
    image, mask = np.zeros((20, 24), np.uint16), np.eye(20, 24, dtype=np.uint8)
    names = {"a.ome.tif": "a.png", "b.tif": "b.ome.tif", "\u00e9.tif": "e\u0301.tif"}
    for part in ("train", "validation"):
        for folder in ("image", "mask"):
            (tmp_path / part / folder).mkdir(parents=True)
        (tmp_path / part / "image" / "._a.tif").write_bytes(b"\0\x05\x16\x07")
        for first, second in names.items():
            tifffile.imwrite(tmp_path / part / "image" / first, image)
            write = imsave if second.endswith(".png") else tifffile.imwrite
            options = {"check_contrast": False} if second.endswith(".png") else {}
            write(tmp_path / part / "mask" / second, mask, **options)
    parts = {"train": ["train/image"], "validation": ["validation/image"]}
    recipe = make_generate_recipe(data={"mask": "mask", "parts": parts})
    found = find_images(recipe.data, tmp_path)["train"]
    assert {file.name: file.mask.name for file in found if file.mask} == {
        "a": "a.png",
        "b": "b.ome.tif",
        "\u00e9": "e\u0301.tif",
    }
