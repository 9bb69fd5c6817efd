from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import tifffile
import torch
from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.check.check import check_data
from napari_cytosynth.training.data.crops import CropDataset, Field
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.run.recipe_check import check_recipe
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.segment.evaluate.scoring import check_part, score
from napari_cytosynth.training.segment.recipe import DataRecipe, SegmentRecipe
from napari_cytosynth.training.task import ScoreOptions

STILL = {"rotate": False, "scale": (1, 1), "elastic": 0, "gamma": 0, "contrast": 0}
STILL |= {"brightness": 0, "noise": 0, "blur": 0}
LAST = {"kind": "last", "count": 1}


@pytest.fixture
def labs(nuclei_folder, tmp_path):
    """Two folders with images of the same names; the second one's masks are called otherwise."""
    folder = tmp_path / "labs"
    for part in ("image", "mask", "labels"):
        shutil.copytree(nuclei_folder / part, folder / "old" / part)
        shutil.copytree(nuclei_folder / part, folder / "new" / "2024" / part)
    for path in (folder / "new" / "2024").glob("*/*.tif"):
        tifffile.imwrite(path, np.ascontiguousarray(tifffile.imread(path)[:64, ::-1]))
    (folder / "new" / "2024" / "mask").rename(folder / "new" / "2024" / "truth")
    return folder


@pytest.fixture
def recipe_of(make_recipe):
    def make(*sources, data=None, **settings):
        tree = make_recipe(**settings).model_dump()
        tree["data"] |= {"split": {}, "sources": list(sources), **(data or {})}
        return SegmentRecipe.model_validate(tree)

    return make


OLD = {"folder": "old", "split": LAST}
NEW = {
    "folder": "new/2024",
    "truths": {"mask": "truth"},
    "split": {"kind": "names", "validation": ["00"], "test": ["01"]},
}


def _data(recipe, folder):
    data = SegmentationData(recipe, folder)
    data.setup("fit")
    return data


def test_each_source_is_split_by_its_own_lists_and_equal_names_do_not_collide(recipe_of, labs):
    data = _data(recipe_of(OLD, NEW), labs)
    assert data.train_names == ["old/00", "old/01", "old/02", "new/2024/02", "new/2024/03"]
    assert [field.name for field in data.validation] == ["old/03", "new/2024/00"]
    assert data.test_names == ["new/2024/01"]
    assert [field.image.shape[1] for field in data.validation] == [96, 64]
    for field in data.validation:
        truth = "mask" if field.source == "old" else "truth"
        kept = tifffile.imread(labs / field.source / truth / f"{field.name[-2:]}.tif")
        np.testing.assert_array_equal(field.truth, kept)


def test_names_in_a_split_may_have_the_folder_before_them_as_in_reports(recipe_of, labs):
    split = {"kind": "names", "validation": ["new/2024/00"], "test": ["new/2024/01.tif"]}
    data = SegmentationData(recipe_of(OLD, NEW | {"split": split}), labs)
    assert data.test_names == ["new/2024/01"]


def test_a_source_that_only_trains_is_welcome(recipe_of, labs):
    data = SegmentationData(recipe_of(OLD, NEW | {"split": {"kind": "names"}}), labs)
    assert data.validation_names == {"old/03"}
    assert len(data.train_names) == 7


def test_validation_images_of_one_source_can_be_trained_on_too(recipe_of, labs):
    split = NEW["split"] | {"use_all": True}
    data = SegmentationData(recipe_of(OLD, NEW | {"split": split}), labs)
    assert data.train_names[-1] == "new/2024/00"
    assert "old/03" not in data.train_names


def test_one_source_gives_the_very_crops_of_a_recipe_without(recipe_of, make_recipe, labs):
    alone = _data(make_recipe(), labs / "old").dataset
    source = _data(recipe_of(OLD), labs).dataset
    shared = _data(recipe_of(OLD | {"share": 3}), labs).dataset
    for index in range(len(alone)):
        for one, other, third in zip(alone[index], source[index], shared[index], strict=True):
            assert torch.equal(one, other)
            assert torch.equal(one, third)


@pytest.mark.parametrize(("shares", "expected"), [((None, None), 3 / 4.333), ((1, 4), 0.2)])
def test_crops_are_shared_by_area_or_as_the_recipe_says(recipe_of, labs, shares, expected):
    old, new = (source | {"share": share} for source, share in zip((OLD, NEW), shares, strict=True))
    data = _data(recipe_of(old, new), labs)
    rng = np.random.default_rng(0)
    drawn = [data.dataset._place(index, rng)[0] for index in range(2000)]
    assert np.mean(np.array(drawn) < 3) == pytest.approx(expected, abs=0.04)


def test_crops_are_magnified_by_their_source_and_whole_fields_are_not(recipe_of, labs):
    places = np.tile(np.arange(200, dtype=np.float32), (1, 200, 1))
    recipe = DataRecipe(targets=[{"folder": "mask"}], crop_size=32, augment=STILL)
    slopes = []
    for magnify in (1.0, 2.0):
        field = Field("a", places, places, places[0], magnify=magnify)
        image, target = CropDataset([field], recipe, 0)[0]
        assert torch.equal(image, target)
        turned = max(np.abs(np.diff(image[0].numpy(), axis=axis)).max() for axis in (0, 1))
        slopes.append(turned)
    assert slopes == pytest.approx([1, 0.5], abs=0.01)
    data = _data(recipe_of(OLD, NEW | {"magnify": 2.0}), labs)
    assert data.validation[1].image.shape == (1, 64, 112)


def test_a_file_that_changes_sides_changes_the_fingerprint(recipe_of, labs):
    recipe = recipe_of(OLD, NEW)
    before = SegmentationData(recipe, labs).sha256
    assert SegmentationData(recipe, labs).sha256 == before
    for ours, theirs in (("image", "image"), ("mask", "truth")):
        (labs / "old" / ours / "03.tif").rename(labs / "new" / "2024" / theirs / "000.tif")
    assert SegmentationData(recipe, labs).sha256 != before


@pytest.mark.parametrize(
    ("sources", "data", "says"),
    [
        ([{"folder": "/old"}], {}, "inside --data-dir"),
        ([{"folder": "../old"}], {}, "inside --data-dir"),
        ([{"folder": "."}], {}, "inside --data-dir"),
        ([OLD, OLD | {"folder": "old/"}], {}, "two sources have the folder “old”"),
        ([OLD | {"truths": {"masks": "truth"}}], {}, "“masks”, which is the folder of no target"),
        ([OLD | {"share": 1}, NEW], {}, "share of every source, or of none"),
        ([OLD | {"share": 1}], {"sampling": "tiles"}, "shares are of random crops"),
        ([OLD | {"magnify": 2}], {"augment": None}, "magnify is part of the augmentation"),
        ([OLD | {"magnify": 0}], {}, "greater than 0"),
        ([OLD], {"split": LAST}, "data.split has no effect beside sources"),
        (
            [OLD | {"split": {"kind": "names", "validation": ["1"], "test": ["1.tif"]}}],
            {},
            "“1” is named in both validation and test",
        ),
    ],
)
def test_sources_that_contradict_are_said(recipe_of, sources, data, says):
    with pytest.raises(ValidationError, match=says):
        recipe_of(*sources, data=data)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            {"folder": "newer"},
            r"folder “newer” among others, but .* has “new”, “old”.*sources=\[\]",
        ),
        (NEW | {"truths": {}}, "mask does not exist"),
        (
            NEW | {"split": {"kind": "names", "test": ["9"]}},
            "Test images not found in “new/2024”: 9",
        ),
        (
            NEW | {"split": {"kind": "names", "validation": ["9"]}},
            "Validation images not found in “new/2024”: 9",
        ),
    ],
)
def test_what_a_source_lacks_is_said(recipe_of, labs, source, says):
    with pytest.raises(RecipeError, match=says):
        SegmentationData(recipe_of(OLD, source), labs)


def test_an_image_without_truth_is_told_with_its_source(recipe_of, labs):
    (labs / "new" / "2024" / "truth" / "02.tif").unlink()
    with pytest.raises(RecipeError, match=r"1 of 4 images in “new/2024” have no truth.*“02”"):
        SegmentationData(recipe_of(OLD, NEW), labs)


def test_a_share_of_a_source_without_training_images_is_said(recipe_of, labs):
    only = {"kind": "names", "validation": ["00", "01", "02", "03"]}
    recipe = recipe_of(OLD | {"share": 1}, NEW | {"share": 1, "split": only})
    with pytest.raises(RecipeError, match="“new/2024” has a share of the crops"):
        _data(recipe, labs)


def test_a_magnification_that_needs_too_large_a_window_is_said(recipe_of):
    check_recipe(recipe_of(OLD, NEW))
    with pytest.raises(RecipeError, match=r"source “old”.*would be made from"):
        check_recipe(recipe_of(OLD | {"magnify": 0.01}, NEW))


def test_the_look_at_the_data_takes_all_sources(recipe_of, labs):
    report = check_data(recipe_of(OLD, NEW), labs)
    assert not report.errors
    assert any("5 images to train on, 2 to validate with, 1 left" in fact for fact in report.facts)
    whole = tifffile.imread(labs / "old" / "image" / "00.tif")
    tifffile.imwrite(labs / "new" / "2024" / "image" / "00.tif", np.ascontiguousarray(whole[::-1]))
    shutil.copy(labs / "old" / "mask" / "00.tif", labs / "new" / "2024" / "truth" / "00.tif")
    report = check_data(recipe_of(OLD, NEW), labs)
    assert any("“new/2024/00” and “old/00”" in warning for warning in report.warnings)
    (labs / "new" / "2024" / "truth" / "02.tif").unlink()
    report = check_data(recipe_of(OLD, NEW), labs)
    assert any("name in “new/2024/truth”: “02”" in error for error in report.errors)
    (error,) = check_data(recipe_of(OLD, {"folder": "newer"}), labs).errors
    assert "“newer”" in error


def test_a_source_too_small_to_validate_is_told_how_to_choose(recipe_of, labs):
    hashed = {"split": {"kind": "hash"}}
    for path in labs.rglob("0[01].tif"):  # both of the others are of the training's part
        path.unlink()
    report = check_data(recipe_of(OLD | hashed, NEW | hashed), labs)
    (error,) = report.errors
    assert "'data.sources.1.split.validation=[new/2024/03]'" in error


def test_training_on_sources_goes_on_and_is_scored_by_source(recipe_of, labs, tmp_path):
    recipe = recipe_of(OLD, NEW, max_epochs=2)
    run = tmp_path / "run"
    train(recipe, labs, run, stop_at_epoch=1)
    moved = labs / "old" / "image" / "00.tif"
    kept = moved.read_bytes()
    tifffile.imwrite(moved, tifffile.imread(moved) + 1)
    with pytest.raises(RecipeError, match="images are not those"):
        train(recipe, labs, run, resume=True)
    moved.write_bytes(kept)
    model = train(recipe, labs, run, resume=True)
    rows = [
        row
        for path in sorted(run.glob("csv/version_*/metrics.csv"))
        for row in csv.DictReader(path.read_text().splitlines())
    ]
    for source in ("old", "new/2024"):
        assert len([row for row in rows if row.get(f"validation/score {source}")]) == 2
    chosen = json.loads((run / "validation.json").read_text())
    assert set(chosen["sources"]) == {"old", "new/2024"}
    check_part(recipe, labs, "test")
    assert score(recipe, model, labs, ScoreOptions(part="test")).images == 1
    assert score(recipe, model, labs, ScoreOptions(part="validation")).images == 2


def test_without_a_list_for_the_test_nothing_is_left_to_score(make_recipe, nuclei_folder):
    tree = make_recipe().model_dump()
    tree["data"]["split"] = {"kind": "names", "validation": ["03"]}
    with pytest.raises(RecipeError, match="leaves no images to test"):
        check_part(SegmentRecipe.model_validate(tree), nuclei_folder, "test")
    tree["data"]["split"]["test"] = ["02"]
    recipe = SegmentRecipe.model_validate(tree)
    check_part(recipe, nuclei_folder, "test")
    assert SegmentationData(recipe, nuclei_folder).train_names == ["00", "01"]
    tree["data"]["split"] |= {"kind": "last", "test": ["03"]}
    data = SegmentationData(SegmentRecipe.model_validate(tree), nuclei_folder)
    assert (data.train_names, data.validation_names) == (["00", "01"], {"02"})
