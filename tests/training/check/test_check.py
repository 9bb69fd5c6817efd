from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.training.check import check
from napari_cytosynth.training.check.check import check_data
from napari_cytosynth.training.cli import main
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.segment.recipe import SegmentRecipe


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image)


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Eight images of nuclei with their masks and labels; the last one validates."""
    folder = tmp_path_factory.mktemp("originals")
    for seed in range(8):
        phantom = fluorescent_nuclei((96, 112), count=8, seed=seed)
        write(folder / "image" / f"n{seed}.tif", phantom.image)
        write(folder / "labels" / f"n{seed}.tif", phantom.labels.astype(np.uint16))
        write(folder / "mask" / f"n{seed}.tif", (phantom.labels > 0).astype(np.uint8) * 255)
    return folder


@pytest.fixture
def nuclei(originals, tmp_path):
    shutil.copytree(originals, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(path, function):
    tifffile.imwrite(path, function(tifffile.imread(path)))


def said(lines, *words):
    return [line for line in lines if all(word in line for word in words)]


# -- a clean folder ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mask", "labels"])
def test_a_clean_folder_is_called_so(make_recipe, nuclei, kind):
    report = check_data(make_recipe(kind), nuclei)
    assert report.errors == []
    assert not said(report.warnings, "lies")
    assert not said(report.warnings, "seen again")
    assert said(report.facts, "7 images to train on, 1 to validate")
    assert said(report.facts, "96 × 112 px")
    assert said(report.facts, "Alignment", "within 3 px")
    assert said(report.facts, "No image of the validation", "found again")
    assert "Ready to train" in report.text()


def test_the_command_looks_and_trains_nothing(nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "name: mine\ndata:\n  targets: [{folder: mask}]\n  crop_size: 32\n"
        "  split: {kind: names, validation: [n7]}\n"
    )
    arguments = [str(recipe), "--data-dir", str(nuclei), "--check"]
    assert main(arguments) == 0
    assert "nothing is trained" in capsys.readouterr().out
    (nuclei / "mask" / "n3.tif").unlink()
    assert main(arguments) == 1
    assert "Not ready: 1 problem" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


# -- names, sizes and intensities ----------------------------------------------------------


def test_a_missing_mask_stops_and_a_name_alike_is_proposed(make_recipe, nuclei):
    (nuclei / "mask" / "n3.tif").rename(nuclei / "mask" / "n3_.tif")
    report = check_data(make_recipe(), nuclei)
    assert said(report.errors, "1 image of 8 without a mask", "“n3”", "Is “n3_” meant")
    assert said(report.warnings, "without an image of the same name", "“n3_”")


def test_a_missing_folder_is_named_with_those_there(make_recipe, nuclei):
    (nuclei / "mask").rename(nuclei / "truth")
    (error,) = check_data(make_recipe(), nuclei).errors
    assert "“mask”" in error
    assert "truth" in error


def test_a_folder_above_is_led_to_its_training_part(make_recipe, nuclei):
    for part in ("train", "test"):
        shutil.copytree(nuclei / "image", nuclei / "above" / part / "image")
    (error,) = check_data(make_recipe(), nuclei / "above").errors
    assert f"Did you mean “{nuclei / 'above' / 'train'}”?" in error


def test_a_split_by_hash_that_leaves_nothing_tells_how_to_choose(
    make_recipe, make_generate_recipe, nuclei
):
    for path in (*nuclei.glob("image/*"), *nuclei.glob("mask/*")):
        if path.stem not in ("n0", "n1"):
            path.unlink()
    hashed = make_recipe().model_dump()
    hashed["data"]["split"] = {"kind": "hash"}
    report = check_data(SegmentRecipe.model_validate(hashed), nuclei)
    assert said(report.errors, "no image to validate", "--set data.split.kind=names", "[n1]")
    assert not said(report.warnings, "No object")
    data = {"parts": {"train": ["image"], "hashed": "all"}, "channels": ["nuclei"]}
    report = check_data(make_generate_recipe(data=data), nuclei)
    assert said(report.errors, "--set data.parts.hashed=none", "data.parts.validation_names")


def test_what_cannot_be_learned_from_is_named(make_recipe, nuclei):
    change(nuclei / "image" / "n0.tif", np.zeros_like)
    change(nuclei / "image" / "n1.tif", lambda image: np.full(image.shape, np.nan, np.float32))
    change(nuclei / "mask" / "n2.tif", lambda mask: mask[:-4])
    for part in ("image", "mask"):
        change(nuclei / part / "n4.tif", lambda plane: plane[:24, :24])
    report = check_data(make_recipe(), nuclei)
    assert said(report.errors, "“n2” is 96 × 112 px", "92 × 112")
    assert said(report.warnings, "same value everywhere", "“n0”")
    assert said(report.warnings, "without a number", "“n1”")
    assert said(report.warnings, "smaller than a crop of 32 px", "“n4”")
    assert said(report.warnings, "different types", "float32")


def test_a_generator_needs_whole_crops(make_generate_recipe, nuclei):
    change(nuclei / "image" / "n4.tif", lambda plane: plane[:12, :12])
    data = {"parts": {"train": ["image"], "validation_names": ["n7"]}, "channels": ["nuclei"]}
    report = check_data(make_generate_recipe(data=data | {"crop_size": 16}), nuclei)
    assert said(report.errors, "smaller than a crop of 16 px", "“n4”")


_NUCLEI = {"parts": {"train": ["image"], "validation_names": ["n7"]}, "channels": ["nuclei"]}


@pytest.mark.parametrize(
    ("change_all", "words"),
    [
        (lambda plane: plane, ()),
        (lambda plane: (plane.astype(float) / plane.max() * 4095).astype(np.uint16), ("black",)),
        (lambda plane: plane.astype(np.float32), ("white",)),
        (lambda plane: (plane / plane.max()).astype(np.float32), ()),
    ],
)
def test_fixed_scaling_is_held_against_the_type_of_the_files(
    make_generate_recipe, nuclei, change_all, words
):
    for path in (nuclei / "image").iterdir():
        full = tifffile.imread(path)
        stretched = (full / full.max() * np.iinfo(full.dtype).max).astype(full.dtype)
        tifffile.imwrite(path, change_all(stretched))
    report = check_data(make_generate_recipe(data=_NUCLEI | {"scaling": "fixed"}), nuclei)
    assert bool(said(report.warnings, "“fixed”")) == bool(words)
    assert all(said(report.warnings, "“fixed”", word) for word in words)
    kind = tifffile.imread(next((nuclei / "image").iterdir())).dtype
    assert said(report.facts, "Intensities", str(kind))


def test_nan_stops_a_generator_as_in_training(make_generate_recipe, nuclei):
    spoiled = np.pad(np.full((1, 1), np.nan, np.float32), ((0, 95), (0, 111)))
    tifffile.imwrite(nuclei / "image" / "n4.tif", spoiled)
    recipe = make_generate_recipe(data=_NUCLEI)
    report = check_data(recipe, nuclei)
    assert said(report.errors, "n4.tif", "without a number")
    assert not said(report.warnings, "count as 0")
    with pytest.raises(RecipeError, match=r"n4.tif has pixels without a number"):
        GenerateData(recipe, nuclei).setup("fit")


@pytest.mark.parametrize("pages", [(2, 96, 112), (96, 112, 3)])
def test_a_mask_of_several_planes_is_named_and_refused(make_generate_recipe, nuclei, pages):
    tifffile.imwrite(nuclei / "mask" / "n4.tif", np.ones(pages, np.uint8))
    recipe = make_generate_recipe(data=_NUCLEI | {"mask": "mask"})
    assert said(check_data(recipe, nuclei).errors, "n4.tif", "one grey plane")
    with pytest.raises(InputError, match="one grey plane"):
        GenerateData(recipe, nuclei).setup("fit")


def test_pixels_of_one_bit_and_infinite_ones_are_looked_at(make_recipe, nuclei):
    change(nuclei / "image" / "n0.tif", lambda plane: plane > plane.mean())
    spoil = np.pad(np.full((1, 1), np.inf, np.float32), ((40, 55), (40, 71)))
    change(nuclei / "image" / "n1.tif", lambda plane: plane.astype(np.float32) + spoil)
    report = check_data(make_recipe(), nuclei)
    assert said(report.facts, "Intensities", "bool (0 to 1;")
    assert said(report.warnings, "NaN or infinite", "“n1”")
    assert said(report.facts, "Alignment", "within 3 px")


# -- masks -----------------------------------------------------------------------------


def test_empty_masks_stop(make_recipe, nuclei):
    for path in (nuclei / "mask").iterdir():
        change(path, np.zeros_like)
    report = check_data(make_recipe(), nuclei)
    assert said(report.errors, "Nothing is marked")


@pytest.mark.parametrize(
    ("change_to", "words"),
    [
        (lambda labels: labels.astype(np.int32) - 1, "below 0"),
        (lambda labels: labels.astype(np.float32) / 2, "fractions instead of the whole numbers"),
        (lambda labels: np.where(labels, np.nan, 0).astype(np.float32), "NaN or infinite"),
        (lambda labels: labels.astype(np.complex64), "values of type complex64"),
    ],
)
def test_numbers_that_are_none_of_objects_are_refused(make_recipe, nuclei, change_to, words):
    for kind in ("image", "labels"):  # a name that stands in “complex64” too
        (nuclei / kind / "n3.tif").rename(nuclei / kind / "4.tif")
    change(nuclei / "labels" / "4.tif", change_to)
    report = check_data(make_recipe("labels"), nuclei)
    assert said(report.errors, "“4”", words)
    assert "Ready to train" not in report.text()
    with pytest.raises((RecipeError, InputError), match=words):
        SegmentationData(make_recipe("labels"), nuclei).setup("fit")


def test_objects_of_any_number_are_those_of_1_2_3(make_recipe, nuclei):
    plain = SegmentationData(make_recipe("labels"), nuclei)
    plain.setup("fit")
    for path in (nuclei / "labels").iterdir():
        change(path, lambda labels: labels.astype(np.uint32) * 20_000_019)
    report = check_data(make_recipe("labels"), nuclei)
    assert "Ready to train" in report.text()
    large = SegmentationData(make_recipe("labels"), nuclei)
    large.setup("fit")
    for field, same in zip(large.validation, plain.validation, strict=True):
        np.testing.assert_array_equal(field.maps, same.maps)
        np.testing.assert_array_equal(field.truth, same.truth)


def test_few_objects_are_said(make_recipe, nuclei):
    for path in sorted((nuclei / "labels").iterdir())[2:]:
        change(path, np.zeros_like)
    report = check_data(make_recipe("labels"), nuclei)
    assert said(report.warnings, "Few objects")
    assert said(report.warnings, "6 images of 8 with nothing marked")
    assert said(report.warnings, "No object", "validate")


def test_masks_in_place_of_labels_are_noticed(make_recipe, nuclei):
    for path in (nuclei / "labels").iterdir():
        change(path, lambda labels: (labels > 0).astype(np.uint8))
    assert said(check_data(make_recipe("labels"), nuclei).warnings, "look like masks")


# -- copies ------------------------------------------------------------------------------


def test_a_turned_and_noisy_copy_across_the_split_is_found(make_recipe, nuclei):
    random = np.random.default_rng(0)
    for part in ("image", "mask"):
        plane = np.rot90(tifffile.imread(nuclei / part / "n2.tif"))[:, ::-1]
        if part == "image":
            plane = 0.7 * plane + random.normal(0, 0.02 * np.ptp(plane), plane.shape) + 5
        write(nuclei / part / "n7.tif", np.ascontiguousarray(plane).astype(np.float32))
    report = check_data(make_recipe(), nuclei)
    assert said(report.warnings, "1 validation image of 1 also among", "“n7” and “n2”")


def test_a_large_folder_is_sampled_and_that_is_said(make_recipe, nuclei, monkeypatch):
    monkeypatch.setattr(check, "MOST", 4)
    assert said(check_data(make_recipe(), nuclei).facts, "Opened", "of 8 images")


# -- alignment ---------------------------------------------------------------------------


def test_a_shifted_mask_is_found_with_its_shift(make_recipe, nuclei):
    change(nuclei / "mask" / "n3.tif", lambda mask: np.roll(mask, (6, -5), (0, 1)))
    report = check_data(make_recipe(), nuclei)
    (line,) = said(report.warnings, "lies")
    assert "“n3” lies 6 px lower and 5 px further left" in line


def blobs(seed, size=192):
    random = np.random.default_rng(seed)
    points = np.zeros((size, size))
    points[tuple(random.integers(0, size, (2, 60)))] = 1
    return ndimage.gaussian_filter(points, 3) / 0.018


@pytest.fixture
def stained(tmp_path):
    for seed, name in enumerate("abcd"):
        stain = blobs(seed)
        phase = 20000 * (
            1 - 0.05 * stain + np.random.default_rng(seed).normal(0, 0.005, (192, 192))
        )
        write(tmp_path / "phase" / f"{name}.tif", phase.astype(np.uint16))
        both = np.stack([500 + 4000 * stain, 100 + 700 * stain]).astype(np.uint16)
        write(tmp_path / "fluorescence" / f"{name}.tif", both)
    return tmp_path


def test_a_stain_that_is_dark_in_the_image_is_aligned_too(make_stain_recipe, stained):
    report = check_data(make_stain_recipe(), stained)
    assert report.errors == []
    assert not said(report.warnings, "lies")
    assert said(report.facts, "Alignment of image and stain: within 3 px in all 4")
    path = stained / "fluorescence" / "b.tif"
    change(path, lambda stain: np.roll(stain, (-7, 4), (1, 2)))
    (line,) = said(check_data(make_stain_recipe(), stained).warnings, "lies")
    assert "“b” lies 7 px higher and 4 px further right" in line


def test_stains_that_are_nan_or_empty_stop(make_stain_recipe, stained):
    for path in (stained / "fluorescence").iterdir():
        change(path, lambda stain: np.stack([stain[0], np.zeros_like(stain[1])]))
    change(stained / "fluorescence" / "a.tif", lambda stain: np.where(stain > 600, np.nan, stain))
    errors = check_data(make_stain_recipe(), stained).errors
    assert said(errors, "“DNA”", "without a number", "“a”")
    assert said(errors, "“AGP” has the same value everywhere")


# -- classes -----------------------------------------------------------------------------


def test_classes_out_of_balance_are_named(make_generate_recipe, tmp_path):
    for name, count in (("healthy", 9), ("ill", 2), ("unknown", 1)):
        for seed in range(count):
            image = np.random.default_rng((len(name), seed)).integers(0, 255, (32, 32))
            write(tmp_path / "train" / name / f"{name}{seed}.tif", image.astype(np.uint8))
    data = {
        "kind": "classes",
        "classes": ["healthy", "ill"],
        "parts": {"train": ["train"], "validation_names": ["healthy0"]},
        "channels": ["grey"],
        "crop_size": 16,
    }
    report = check_data(make_generate_recipe(data=data), tmp_path)
    assert said(report.warnings, "out of balance", "healthy 8, ill 2")
    assert said(report.warnings, "does not name", "“unknown”")
    assert said(report.warnings, "validate", "“ill”")


# -- files as people have them ------------------------------------------------------------


def test_files_of_systems_and_two_forms_of_a_name_do_not_stop_a_training(make_recipe, nuclei):
    for folder in ("image", "mask"):
        for name in ("._n1.tif", ".DS_Store", "Thumbs.db"):
            (nuclei / folder / name).write_bytes(b"\0\x05\x16\x07")
    for number in range(8):
        path = nuclei / "image" / f"n{number}.tif"
        path.rename(path.with_name(f"n{number}.ome.tif"))
    (nuclei / "image" / "n2.ome.tif").rename(nuclei / "image" / "n\u00e9.tif")  # one character
    (nuclei / "mask" / "n2.tif").rename(nuclei / "mask" / "ne\u0301.tif")  # two
    recipe = make_recipe("mask")
    report = check_data(recipe, nuclei)
    assert report.errors == []
    assert said(report.facts, "7 images to train on, 1 to validate")
    data = SegmentationData(recipe, nuclei)
    data.setup("fit")
    assert [field.name for field in data.validation] == ["n\u00e9"]


def test_masks_with_0_for_white_are_learned_the_right_way_round(make_recipe, nuclei):
    before = said(check_data(make_recipe("mask"), nuclei).facts, "covers")
    for path in (nuclei / "mask").iterdir():
        tifffile.imwrite(path, 255 - tifffile.imread(path), photometric="miniswhite")
    assert said(check_data(make_recipe("mask"), nuclei).facts, "covers") == before


def test_what_the_reader_says_of_a_file_is_a_warning(make_recipe, nuclei):
    with tifffile.TiffWriter(nuclei / "image" / "n0.tif") as file:
        image = tifffile.imread(nuclei / "image" / "n1.tif")
        file.write(image[:8, :8])
        file.write(image[::-1])
    assert said(check_data(make_recipe("mask"), nuclei).warnings, "n0.tif", "2 images")


def test_a_local_mean_needs_images_of_light(make_recipe, nuclei):
    settings = make_recipe("mask").model_dump()
    settings["data"]["normalisation"] = {"kind": "local"}
    recipe = SegmentRecipe.model_validate(settings)
    assert not said(check_data(recipe, nuclei).warnings, "“local”")
    for path in (nuclei / "image").iterdir():
        change(path, lambda image: image.astype(np.float32) - image.mean())
    assert said(check_data(recipe, nuclei).warnings, "“local”", "below 0", "8 images")
