from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.tasks.common.looks import looks
from napari_cytosynth.training.data.crops import CropDataset, EpochOrder
from napari_cytosynth.training.data.input_record import QUANTILES
from napari_cytosynth.training.recipe.base import TrainRecipe
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.segment.recipe import DataRecipe, SegmentRecipe


def _data(recipe, folder):
    data = SegmentationData(recipe, folder)
    data.setup("fit")
    return data


def test_validation_images_are_never_trained_on(make_recipe, nuclei_folder):
    data = _data(make_recipe("labels"), nuclei_folder)
    assert [field.name for field in data.validation] == ["03"]
    assert data.train_names == ["00", "01", "02"]
    assert len(data.dataset.stacks) == 3


def test_the_card_gets_the_looks_of_the_training_images_alone(make_recipe, nuclei_folder):
    data = _data(make_recipe("labels"), nuclei_folder)
    images = [stack[:1] for stack in data.dataset.stacks]
    assert tuple(data.quantiles) == QUANTILES
    lowest = min(float(np.percentile(image, 50)) for image in images)
    assert data.quantiles["50"][0] == pytest.approx(lowest, abs=1e-4)
    for image in images:
        found = looks(image[0])
        assert all(low <= found[name] <= high for name, (low, high) in data.looks.items())
    assert set(data.looks) == set(found)


def test_an_item_is_a_function_of_seed_epoch_and_index(make_recipe, nuclei_folder):
    dataset = _data(make_recipe(), nuclei_folder).dataset
    first = dataset[3]
    dataset.epoch = 1
    assert not torch.equal(dataset[3][0], first[0])
    dataset.epoch = 0
    assert torch.equal(dataset[3][0], first[0])


def test_processes_share_an_epoch_and_their_batches_together_are_those_of_one():
    crops = CropDataset.__new__(CropDataset)
    crops.seed, crops.epoch, crops.recipe = 0, 3, DataRecipe(targets=[{"folder": "mask"}])
    crops.recipe = crops.recipe.model_copy(update={"crops_per_epoch": 17})
    one, (first, second) = list(EpochOrder(crops)), [list(EpochOrder(crops, n, 2)) for n in (0, 1)]
    assert len(first) == len(second) == len(EpochOrder(crops, 0, 2)) == 8
    assert not set(first) & set(second)
    for batch in range(2):
        part = slice(4 * batch, 4 * batch + 4)
        assert {*first[part], *second[part]} == set(one[8 * batch : 8 * batch + 8])


def test_processes_that_load_live_on_and_cut_the_crops_of_every_epoch(make_recipe, nuclei_folder):
    epochs = []
    for workers in (0, 2):
        data = _data(make_recipe(num_workers=workers), nuclei_folder)
        loader = data.train_dataloader()
        for data.dataset.epoch in (0, 1):
            epochs.append(torch.cat([image for image, _ in loader]))
    first, second, loaded_first, loaded_second = epochs
    assert torch.equal(first, loaded_first)
    assert torch.equal(second, loaded_second)
    assert not torch.equal(first, second)


def test_a_gpu_has_its_crops_cut_by_other_processes_and_a_cpu_cuts_its_own(monkeypatch):
    from napari_cytosynth.training.recipe.hardware import loading_workers

    # a job of a cluster may use a few cores of many
    told = 128 if hasattr(os, "sched_getaffinity") else 16
    monkeypatch.setattr("os.cpu_count", lambda: told)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    for has_gpu, plan, workers in (
        (False, {}, 0),
        (True, {}, 8),
        (True, {"devices": 4}, 3),
        (True, {"devices": 32}, 1),
        (True, {"accelerator": "cpu"}, 0),
        (True, {"num_workers": 0}, 0),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=has_gpu: answer)
        assert loading_workers(TrainRecipe(**plan)) == workers


def test_tiles_cover_an_image_once():
    recipe = DataRecipe(targets=[{"folder": "mask"}], sampling="tiles", crop_size=256, augment=None)
    from napari_cytosynth.training.data.crops import Field

    image = np.random.default_rng(0).random((1, 768, 1024), np.float32)
    field = Field("a", image, image, image[0])
    dataset = CropDataset([field], recipe, seed=0)
    assert len(dataset) == 12
    total = sum(float(dataset[index][0].sum(dtype=torch.float64)) for index in range(12))
    assert total == pytest.approx(image.sum(dtype=np.float64), rel=1e-9)


def test_a_missing_folder_is_named(make_recipe, tmp_path):
    with pytest.raises(RecipeError, match="image does not exist"):
        SegmentationData(make_recipe(), tmp_path)


def test_an_image_without_truth_is_named(make_recipe, nuclei_folder, tmp_path):
    shutil.copytree(nuclei_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "mask" / "02.tif").unlink()
    with pytest.raises(RecipeError, match=r"1 of 4 images have no truth.*02"):
        SegmentationData(make_recipe(), tmp_path)


def test_a_truth_of_another_size_is_refused(make_recipe, nuclei_folder, tmp_path):
    shutil.copytree(nuclei_folder, tmp_path, dirs_exist_ok=True)
    tifffile.imwrite(tmp_path / "mask" / "02.tif", np.zeros((9, 9), np.uint8))
    with pytest.raises(RecipeError, match=r"02.tif is \(96, 112\) but its truth"):
        _data(make_recipe(), tmp_path)


def test_colour_images_are_refused(make_recipe, nuclei_folder, tmp_path):
    shutil.copytree(nuclei_folder, tmp_path, dirs_exist_ok=True)
    tifffile.imwrite(
        tmp_path / "image" / "02.tif", np.zeros((96, 112, 3), np.uint8), photometric="rgb"
    )
    with pytest.raises(RecipeError, match="one grey plane"):
        _data(make_recipe(), tmp_path)


def test_a_damaged_file_is_named(make_recipe, nuclei_folder, tmp_path):
    shutil.copytree(nuclei_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "image" / "02.tif").write_bytes(b"this is no image")
    with pytest.raises(RecipeError, match=r"image”: “02\.tif” cannot be read as an image"):
        _data(make_recipe(), tmp_path)


def test_truth_in_which_nothing_is_marked_is_refused(make_recipe, nuclei_folder, tmp_path):
    shutil.copytree(nuclei_folder, tmp_path / "data")
    for path in (tmp_path / "data/mask").iterdir():
        tifffile.imwrite(path, np.zeros_like(tifffile.imread(path)))
    with pytest.raises(RecipeError, match="Nothing is marked as “foreground”"):
        SegmentationData(make_recipe(), tmp_path / "data").setup("fit")


def as_zarr(folder, name, pixels, labels):
    """Write an image with its labels inside, as an OME-Zarr of version 0.4 that has all axes."""
    axes = [{"name": name, "type": "space" if name in "zyx" else None} for name in "tczyx"]
    metadata = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    image = zarr.open_group(folder / name, mode="w", zarr_format=2)
    inside = image.create_group("labels")
    inside.attrs["labels"] = [*labels]
    for group, data in ((image, pixels), *((inside.create_group(n), d) for n, d in labels.items())):
        group.create_array("0", data=data[None, None, None])
        group.attrs.update(metadata)


def recipe_of(make_recipe, folder, name="nuclei", **data):
    """A recipe whose labels lie inside its images."""
    recipe = make_recipe("labels").model_dump()
    target = {"folder": folder, "kind": "labels", "name": name}
    recipe["data"] |= {"images": folder, "targets": [target], **data}
    return SegmentRecipe.model_validate(recipe)


@pytest.mark.parametrize("several", [False, True])
def test_ome_zarr_images_are_trained_on_with_the_labels_inside(
    make_recipe, nuclei_folder, tmp_path, several
):
    expected = _data(make_recipe("labels"), nuclei_folder)
    for path in (nuclei_folder / "image").iterdir():
        truth = tifffile.imread(nuclei_folder / "labels" / path.name)
        labels = {"nuclei": truth} | ({"bodies": truth * 0} if several else {})
        as_zarr(tmp_path / "image", f"{path.stem}.ome.zarr", tifffile.imread(path), labels)
    data = _data(recipe_of(make_recipe, "image"), tmp_path)
    assert data.train_names == expected.train_names
    np.testing.assert_array_equal(data.validation[0].truth, expected.validation[0].truth)
    if several:
        with pytest.raises(RecipeError, match="label images nuclei, bodies, but none called"):
            SegmentationData(recipe_of(make_recipe, "image", "other"), tmp_path)


def test_fields_of_a_plate_are_trained_on(make_recipe, nuclei_folder, tmp_path):
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "A/2"}]}
    truth = tifffile.imread(nuclei_folder / "labels" / "00.tif")
    for well in ("A/1", "A/2"):
        plate.create_group(well).attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
        for field in "01":
            as_zarr(tmp_path / "plate.zarr" / well, field, truth * 100, {"nuclei": truth})
    split = {"kind": "names", "validation": ["A-2-1"]}
    data = _data(recipe_of(make_recipe, "plate.zarr", split=split), tmp_path)
    assert data.train_names == ["A-1-0", "A-1-1", "A-2-0"]
    np.testing.assert_array_equal(data.validation[0].truth, truth)


def test_an_unreadable_plate_is_a_fault_of_the_recipe(make_recipe, tmp_path):
    zarr.open_group(tmp_path / "plate.zarr", mode="w")
    with pytest.raises(RecipeError, match="cannot be read as OME-Zarr"):
        SegmentationData(recipe_of(make_recipe, "plate.zarr"), tmp_path)
