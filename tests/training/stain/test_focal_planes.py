"""Fields whose input comes in several focal planes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.tasks.common.focal_planes import measure_focus
from napari_cytosynth.training.check.check import check_data
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.stain.data import StainData
from napari_cytosynth.zoo.model_files import read_card

FOLDERS = ["low", "phase", "high"]


@pytest.fixture
def folder(pair_folder, tmp_path):
    """The pairs with two more focal planes: one of reversed contrast, one of half of it."""
    shutil.copytree(pair_folder, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "phase").iterdir():
        image = tifffile.imread(path).astype(np.float32)
        for name, factor in (("low", -1.0), ("high", 0.5)):
            (tmp_path / name).mkdir(exist_ok=True)
            plane = 20000 + factor * (image - 20000)
            tifffile.imwrite(tmp_path / name / path.name, plane.astype(np.uint16))
    return tmp_path


@pytest.fixture
def make(make_stain_recipe):
    def recipe(planes="any", **data):
        channels = {"input_channels": ["z-", "z0", "z+"]} if planes == "stack" else {}
        named = {"inputs": FOLDERS, "planes": planes} | channels
        return make_stain_recipe(data=make_stain_recipe().data.model_dump() | named | data)

    return recipe


def read(recipe, folder):
    data = StainData(recipe, folder)
    data.setup("fit")
    return data


def plane(folder, name, field, recipe):
    image = tifffile.imread(folder / name / f"{field}.tif")
    return normalise(image[None], recipe.data.normalisation)


# -- any plane -------------------------------------------------------------------------------


def test_a_list_of_one_folder_is_that_folder(make_stain_recipe, make, folder):
    plain, listed = read(make_stain_recipe(), folder), read(make(inputs=["phase"]), folder)
    assert plain.quantiles == listed.quantiles
    for index in range(4):
        pairs = zip(plain.dataset[index], listed.dataset[index], strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
    assert [field.name for field in listed.validation] == ["b2"]


def test_validation_sees_every_plane_of_a_field(make, folder):
    recipe = make()
    data = read(recipe, folder)
    assert [field.name for field in data.validation] == ["b2"] * 3
    for field, name in zip(data.validation, FOLDERS, strict=True):
        np.testing.assert_array_equal(field.image, plane(folder, name, "b2", recipe))
        np.testing.assert_array_equal(field.truth, data.validation[0].truth)


def test_the_card_knows_the_brightness_of_every_plane(make, folder):
    recipe = make()
    quantiles = read(recipe, folder).quantiles
    found = [
        np.percentile(plane(folder, name, field, recipe), 95)
        for name in FOLDERS
        for field in ("a1", "a2", "b1")
    ]
    assert quantiles["95"] == pytest.approx((min(found), max(found)), abs=1e-3)


def test_crops_are_of_all_planes(make, folder):
    recipe = make(augment=None, crop_size=16)
    data = read(recipe, folder)
    crops = [data.dataset[index][0] for index in range(40)]
    assert {crop.shape for crop in crops} == {(1, 16, 16)}
    # of the planes with reversed and with proper contrast
    skews = [float(((crop - crop.mean()) ** 3).mean()) for crop in crops]
    assert min(skews) < 0 < max(skews)


# -- the stack ---------------------------------------------------------------------------------


def test_a_stack_shows_all_planes_in_their_order(make, folder):
    recipe = make("stack", augment=None)
    data = read(recipe, folder)
    assert data.dataset[0][0].shape == (3, 32, 32)
    (field,) = data.validation
    expected = np.concatenate([plane(folder, name, "b2", recipe) for name in FOLDERS])
    np.testing.assert_array_equal(field.image, expected)
    # mirrored in z where the recipe says so
    (turned,) = read(make("stack", inputs=FOLDERS[::-1]), folder).validation
    np.testing.assert_array_equal(turned.image, expected[::-1])


def test_the_card_of_a_stack_knows_its_planes(make, folder, tmp_path):
    recipe = make("stack")
    card = read_card(train(recipe, folder, tmp_path / "out"))
    assert card.inference.input_channels == ["z-", "z0", "z+"]
    known = card.inference.focal_planes
    for place, name in enumerate(FOLDERS):
        images = [tifffile.imread(folder / name / f"{field}.tif") for field in ("a1", "a2", "b1")]
        measured = [measure_focus(image, recipe.data.normalisation) for image in images]
        contrast = np.median([plane.contrast for plane in measured])
        assert known.contrast[place] == pytest.approx(contrast, abs=1e-5)
        asymmetry = np.median([plane.asymmetry for plane in measured])
        assert known.asymmetry[place] == pytest.approx(asymmetry, abs=1e-3)
    assert read(make(), folder).focal_planes is None
    assert read(make(inputs="phase"), folder).focal_planes is None


# -- what does not fit -------------------------------------------------------------------------


@pytest.mark.parametrize("planes", ["any", "stack"])
def test_a_missing_plane_is_named(make, folder, planes):
    (folder / "high" / "a2.tif").unlink()
    with pytest.raises(RecipeError, match=r"1 of 4 images have no image in “high”.*“a2”"):
        StainData(make(planes), folder)
    assert any(
        "without an image of the same name in “high”: “a2”" in line
        for line in check_data(make(planes), folder).errors
    )


def test_a_missing_folder_is_named(make, folder):
    shutil.rmtree(folder / "low")
    with pytest.raises(RecipeError, match="low does not exist"):
        StainData(make(), folder)


@pytest.mark.parametrize("planes", ["any", "stack"])
def test_planes_of_other_sizes_are_refused(make, folder, planes):
    tifffile.imwrite(folder / "high" / "a2.tif", np.full((40, 47), 20000, np.uint16))
    words = r"The focal planes of “a2” differ in size \(phase: 40 × 48 px, high: 40 × 47 px\)"
    with pytest.raises(RecipeError, match=words):
        read(make(planes), folder)
    assert any("differ in size" in line for line in check_data(make(planes), folder).errors)


def test_a_changed_plane_is_another_data_set(make, folder):
    # or a run that is resumed would not notice
    before = StainData(make(), folder).sha256
    image = tifffile.imread(folder / "high" / "a1.tif")
    tifffile.imwrite(folder / "high" / "a1.tif", image[::-1])
    assert StainData(make(), folder).sha256 != before


# -- single fields that validate ------------------------------------------------------------------


def test_a_field_named_in_validation_is_not_trained_on(make_stain_recipe, pair_folder, tmp_path):
    for part in ("train", "more"):
        shutil.copytree(pair_folder, tmp_path / part)
    shutil.copytree(pair_folder, tmp_path / "val")

    def split(**values):
        names = {"kind": "folders", "train": ["train", "more"]} | values
        recipe = make_stain_recipe(data=make_stain_recipe().data.model_dump() | {"split": names})
        return StainData(recipe, tmp_path)

    data = split(validation=["train/a2"])
    assert data.validation_names == ["train/a2"]
    assert "train/a2" not in data.train_names
    assert "more/a2" in data.train_names
    assert len(data.train_names) == 7
    assert not any(name.startswith("val/") for name in data.fields)
    both = split(validation=["train/a2", "val"])
    assert both.validation_names == ["train/a2", *(f"val/{n}" for n in ("a1", "a2", "b1", "b2"))]
    assert len(both.train_names) == 7
    with pytest.raises(RecipeError, match=r"Validation fields not found: train/a9"):
        split(validation=["train/a9", "train/a2"])


# -- the check of a folder -----------------------------------------------------------------------


def test_planes_of_a_field_are_no_copies_of_each_other(make, folder):
    report = check_data(make(), folder)
    assert report.errors == []
    assert not [line for line in report.warnings if "seen again" in line or "much like" in line]
    facts = " ".join(report.facts)
    assert "3 images to train on, 1 to validate with" in facts
    assert "40 × 48 px, 3 focal planes of one channel" in facts


def test_a_copied_field_is_still_found(make, folder):
    for part in (*FOLDERS, "fluorescence"):
        shutil.copy(folder / part / "a1.tif", folder / part / "b2.tif")
    (line,) = [line for line in check_data(make(), folder).warnings if "also among" in line]
    assert "“b2” and “a1”" in line


def test_what_only_one_plane_shows_alike_is_no_copy(make, folder):
    # near focus there is more of the microscope's dirt than of the cells
    dirt = np.random.default_rng(0).normal(20000, 2000, (40, 48)).astype(np.uint16)
    for path in (folder / "low").iterdir():
        tifffile.imwrite(path, dirt)
    assert not [line for line in check_data(make(), folder).warnings if "images of" in line]
    assert [
        line for line in check_data(make(inputs="low"), folder).warnings if "also among" in line
    ]


def test_planes_of_opposite_contrast_do_not_hide_an_offset(make, tmp_path):
    y, x = np.mgrid[:192, :192]
    for seed, name in enumerate("abcd"):
        middles = np.random.default_rng(seed).integers(10, 180, (25, 2))
        stain = sum(np.exp(-((y - r) ** 2 + (x - c) ** 2) / 40) for r, c in middles).clip(0, 1)
        noise = np.random.default_rng(seed).normal(0, 0.005, stain.shape)
        moved = np.roll(stain, (7, -4), (0, 1)) if name == "b" else stain
        images = {
            "low": 20000 * (1 - 0.05 * stain + noise),
            "high": 20000 * (1 + 0.05 * stain - noise),
            "fluorescence": np.stack([500 + 4000 * moved, 100 + 700 * moved]),
        }
        for part, image in images.items():
            (tmp_path / part).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / part / f"{name}.tif", image.astype(np.uint16))
    report = check_data(make(inputs=["low", "high"]), tmp_path)
    (line,) = [line for line in report.warnings if "lies" in line]
    assert "“b”" in line
    assert "7 px lower" in line
