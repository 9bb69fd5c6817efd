from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.data.splits import hash_split
from napari_cytosynth.training.stain.data import QUANTILES, StainData, find_field_pairs
from napari_cytosynth.training.stain.files import field_files, read_channels


def read(recipe, folder):
    data = StainData(recipe, folder)
    data.setup("fit")
    return data


def grey(folder, name, value=0, shape=(2, 40, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        folder / f"{name}.tif", np.full(shape, value, np.uint16), photometric="minisblack"
    )


def write_zarr(path, image, axes="cyx", version="0.4"):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", data=image)
    block = {
        "multiscales": [
            {
                "axes": [{"name": axis} for axis in axes],
                "datasets": [{"path": "0"}],
            }
        ]
    }
    group.attrs.update({"ome": block} if version == "0.5" else block)


def write_plate(path, image, wells=("A/1", "B/2"), fields=("0", "1")):
    zarr = pytest.importorskip("zarr")
    plate = zarr.open_group(str(path), mode="w")
    plate.attrs["plate"] = {"wells": [{"path": well} for well in wells]}
    for number, well in enumerate(wells):
        group = plate.create_group(well)
        group.attrs["well"] = {"images": [{"path": field} for field in fields]}
        for index, field in enumerate(fields):
            # axes of the whole plate, time and z of length 1 among them
            write_zarr(path / well / field, (image + 10 * number + index)[None, :, None], "tczyx")


@pytest.fixture
def copy(pair_folder, tmp_path):
    shutil.copytree(pair_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


# -- files -----------------------------------------------------------------------------


def test_fields_are_paired_by_name_whatever_the_file_type(make_stain_recipe, copy):
    (copy / "phase" / "a2.tif").unlink()
    tifffile.imwrite(copy / "phase" / "a2.TIFF", np.zeros((40, 48), np.uint8))
    (copy / "fluorescence" / "unpaired.tif").write_bytes(b"an extra stain does no harm")
    pairs = find_field_pairs(copy, make_stain_recipe().data)
    assert {n: (i.name, t.name) for n, ((i,), t) in pairs.items()} == {
        "a1": ("a1.tif", "a1.tif"),
        "a2": ("a2.TIFF", "a2.tif"),
        "b1": ("b1.tif", "b1.tif"),
        "b2": ("b2.tif", "b2.tif"),
    }


def test_pages_of_a_tiff_are_channels_and_can_be_picked(pair_folder):
    path = pair_folder / "fluorescence" / "a1.tif"
    both = read_channels(path, None, 2)
    np.testing.assert_array_equal(both, tifffile.imread(path))
    np.testing.assert_array_equal(read_channels(path, [1], 1), both[1:])
    np.testing.assert_array_equal(read_channels(path, [1, 0], 2), both[::-1])
    assert read_channels(pair_folder / "phase" / "a1.tif", None, 1).shape == (1, 40, 48)


def test_named_axes_are_believed(tmp_path):
    image = np.arange(2 * 6 * 5, dtype=np.uint16).reshape(2, 1, 6, 5)
    tifffile.imwrite(tmp_path / "ome.ome.tif", image, metadata={"axes": "CZYX"})
    np.testing.assert_array_equal(read_channels(tmp_path / "ome.ome.tif", None, 2), image[:, 0])
    rgb = np.zeros((6, 5, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", rgb, photometric="rgb")
    assert read_channels(tmp_path / "rgb.tif", [0, 2], 2).shape == (2, 6, 5)


def test_ome_zarr_of_the_first_versions_has_the_axes_tczyx(tmp_path):
    zarr = pytest.importorskip("zarr")
    stains = np.arange(2 * 4 * 5, dtype=np.uint16).reshape(2, 4, 5)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=stains[None, :, None])
    group.attrs["multiscales"] = [{"version": "0.1", "datasets": [{"path": "0"}]}]
    np.testing.assert_array_equal(read_channels(tmp_path / "a.zarr", None, 2), stains)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_images_are_fields(make_stain_recipe, copy, version):
    path = copy / "fluorescence" / "a1.tif"
    stains = tifffile.imread(path)
    path.unlink()
    write_zarr(path.with_name("a1.ome.zarr"), stains, version=version)
    recipe = make_stain_recipe()
    field = find_field_pairs(copy, recipe.data)["a1"][1]
    np.testing.assert_array_equal(read_channels(field, None, 2), stains)
    assert [len(stack) for stack in read(recipe, copy).dataset.stacks] == [3, 3, 3]


def test_a_plate_gives_a_field_for_each_place_and_both_sides_of_a_pair(make_stain_recipe, tmp_path):
    image = np.random.default_rng(0).integers(100, 900, (3, 40, 48)).astype(np.uint16)
    write_plate(tmp_path / "plate.zarr", image)
    assert list(field_files(tmp_path / "plate.zarr")) == ["A-1-0", "A-1-1", "B-2-0", "B-2-1"]
    channels = {"inputs": "plate.zarr", "targets": "plate.zarr", "input_pick": [1], "pick": [2, 0]}
    data = read(make_stain_recipe(data=make_stain_recipe().data.model_dump() | channels), tmp_path)
    assert data.train_names == ["A-1-0", "A-1-1", "B-2-0"]
    np.testing.assert_array_equal(data.validation[0].truth, image[[2, 0]] + 11)


def test_what_is_no_ome_zarr_is_named(tmp_path):
    zarr = pytest.importorskip("zarr")
    write_zarr(tmp_path / "image.zarr", np.zeros((2, 4, 4)))
    with pytest.raises(RecipeError, match="no plate"):
        field_files(tmp_path / "image.zarr")
    zarr.open_group(str(tmp_path / "bare.zarr"), mode="w")
    with pytest.raises(RecipeError, match=r"bare\.zarr.*lack “multiscales”"):
        read_channels(tmp_path / "bare.zarr", None, 1)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(RecipeError, match=r"empty\.zarr cannot be read as OME-Zarr"):
        read_channels(tmp_path / "empty.zarr", None, 1)


# -- scaling ---------------------------------------------------------------------------


def test_targets_are_scaled_by_fixed_numbers_of_the_training_fields(make_stain_recipe, copy):
    recipe = make_stain_recipe()
    data = read(recipe, copy)
    train = np.concatenate(
        [tifffile.imread(copy / f"fluorescence/{name}.tif") for name in ("a1", "a2", "b1")], axis=1
    )
    for scaling, stain in zip(data.scaling, train, strict=True):
        low, high = np.percentile(stain, [recipe.data.low, recipe.data.high])
        assert scaling.offset == pytest.approx(low)
        assert scaling.scale == pytest.approx(high - low)
    # another exposure of a validation field is not hidden: no scaling by image
    path = copy / "fluorescence" / "b2.tif"
    tifffile.imwrite(path, tifffile.imread(path) * 2)
    again = read(recipe, copy)
    assert again.scaling == data.scaling
    offsets = np.array([s.offset for s in data.scaling])[:, None, None]
    scales = np.array([s.scale for s in data.scaling])[:, None, None]
    field = again.validation[0]
    np.testing.assert_allclose(field.maps * scales + offsets, field.truth, rtol=1e-4)
    np.testing.assert_allclose(field.truth, 2 * data.validation[0].truth)


def test_quantiles_span_the_training_fields_only(make_stain_recipe, copy):
    data = read(make_stain_recipe(), copy)
    assert tuple(data.quantiles) == QUANTILES
    lows = [low for low, _ in data.quantiles.values()]
    assert lows == sorted(lows)
    assert all(low <= high for low, high in data.quantiles.values())
    medians = [np.median(stack[0]) for stack in data.dataset.stacks]
    assert data.quantiles["50"] == pytest.approx((min(medians), max(medians)), abs=1e-3)
    grey(copy / "phase", "b2", 7, (40, 48))
    assert read(make_stain_recipe(), copy).quantiles == data.quantiles


def test_sparse_stains_are_scaled_by_their_range(make_stain_recipe, copy):
    for name, value in (("a1", 900), ("a2", 0), ("b1", 0)):
        stains = np.zeros((2, 40, 48), np.uint16)
        stains[:, 7, 7] = value
        tifffile.imwrite(copy / "fluorescence" / f"{name}.tif", stains)
    scaling = read(make_stain_recipe(), copy).scaling
    assert [(item.offset, item.scale) for item in scaling] == [(0, 900)] * 2


def test_a_stain_without_contrast_is_named(make_stain_recipe, copy):
    for name in ("a1", "a2", "b1"):
        grey(copy / "fluorescence", name, 5)
    with pytest.raises(RecipeError, match=r"“DNA” has the same value everywhere"):
        read(make_stain_recipe(), copy)


# -- splits ----------------------------------------------------------------------------


def splits(make_stain_recipe, folder, **split):
    data = make_stain_recipe().data.model_dump() | {"split": split}
    return StainData(make_stain_recipe(data=data), folder)


def test_no_field_is_on_both_sides(make_stain_recipe, tmp_path):
    names = [f"well{number}" for number in range(30)]
    for name in names:
        for part in ("phase", "fluorescence"):
            (tmp_path / part).mkdir(exist_ok=True)
            (tmp_path / part / f"{name}.tif").touch()
    kinds = [
        {"kind": "hash"},
        {"kind": "last", "count": 7},
        {"kind": "names", "validation": ["well3", "well4"]},
    ]
    for split in kinds:
        data = splits(make_stain_recipe, tmp_path, **split)
        assert not set(data.train_names) & set(data.validation_names)
        used = [*data.train_names, *data.validation_names]
        left_out = {name for name in names if hash_split(name) == "test"}
        expected = set(names) - (left_out if split["kind"] == "hash" else set())
        assert sorted(used) == sorted(expected)


def test_folders_split_fields_that_have_the_same_names(make_stain_recipe, pair_folder, tmp_path):
    for part in ("train", "more", "val"):
        shutil.copytree(pair_folder, tmp_path / part)
    split = {"kind": "folders", "train": ["train", "more"], "validation": ["val"]}
    data = splits(make_stain_recipe, tmp_path, **split)
    assert data.validation_names == ["val/a1", "val/a2", "val/b1", "val/b2"]
    assert len(data.train_names) == 8
    assert not any(name.startswith("val/") for name in data.train_names)
    with_all = splits(make_stain_recipe, tmp_path, **split, use_all=True)
    assert set(with_all.train_names) > set(with_all.validation_names)


def test_training_crops_never_come_from_a_validation_field(make_stain_recipe, copy):
    tifffile.imwrite(copy / "phase" / "b2.tif", np.full((40, 48), np.nan, np.float32))
    dataset = read(make_stain_recipe(), copy).dataset
    assert len(dataset.stacks) == 3
    assert all(dataset[index][0].std() > 0.1 for index in range(len(dataset)))


@pytest.mark.parametrize(
    ("split", "complaint"),
    [
        ({"kind": "names", "validation": ["c9"]}, "not found: c9"),
        ({"kind": "names"}, "4 fields to train on and 0 to validate with"),
        ({"kind": "last", "count": 4}, "0 fields to train on and 4"),
        ({"kind": "folders", "train": ["train"]}, "train/phase does not exist"),
    ],
)
def test_a_split_that_leaves_nothing_is_refused(make_stain_recipe, pair_folder, split, complaint):
    with pytest.raises(RecipeError, match=complaint):
        splits(make_stain_recipe, pair_folder, **split)


# -- what does not fit -----------------------------------------------------------------


def test_a_missing_partner_is_named(make_stain_recipe, copy):
    (copy / "fluorescence" / "a2.tif").unlink()
    with pytest.raises(RecipeError, match=r"1 of 4 images have no stained image.*“a2”"):
        StainData(make_stain_recipe(), copy)


def test_an_empty_folder_is_named(make_stain_recipe, tmp_path):
    (tmp_path / "phase").mkdir()
    with pytest.raises(RecipeError, match=r"No TIFF, PNG or OME-Zarr images in .*phase"):
        StainData(make_stain_recipe(), tmp_path)


@pytest.mark.parametrize(
    ("shape", "value", "complaint"),
    [
        ((3, 40, 48), 1, r"a1\.tif .* is 3 channels, but the recipe names 2\. Name"),
        ((40, 48), 1, r"a1\.tif .* is 1 channel, but"),
        ((40, 48, 2), 1, r"save it as \(C, Y, X\)"),
        ((2, 3, 40, 48), 1, r"a1\.tif has the axes .*\(2, 3, 40, 48\)"),
        ((2, 40, 40), 1, r"“a1” is \(40, 48\), its stain \(40, 40\)"),
    ],
)
def test_stains_of_the_wrong_shape_are_refused(make_stain_recipe, copy, shape, value, complaint):
    grey(copy / "fluorescence", "a1", value, shape)
    with pytest.raises(RecipeError, match=complaint):
        read(make_stain_recipe(), copy)


def test_of_a_colour_picture_one_colour_can_be_picked_and_the_message_says_so(tmp_path):
    colours = np.zeros((8, 9, 3), np.uint8)
    colours[..., 1] = 7
    tifffile.imwrite(tmp_path / "x.tif", colours, photometric="rgb")
    with pytest.raises(RecipeError, match=r"colour picture.*input_pick: \[1\]"):
        read_channels(tmp_path / "x.tif", None, 1)
    assert (read_channels(tmp_path / "x.tif", [1], 1) == 7).all()


@pytest.mark.parametrize("pick", [[0, 2], [-1, 0]])
def test_a_channel_that_is_not_there_is_named(pair_folder, pick):
    wrong = next(index for index in pick if index not in (0, 1))
    with pytest.raises(RecipeError, match=f"a1.tif has 2 channels.*there is no {wrong}"):
        read_channels(pair_folder / "fluorescence" / "a1.tif", pick, 2)


def test_stains_with_holes_are_refused(make_stain_recipe, copy):
    path = copy / "fluorescence" / "a1.tif"
    stains = tifffile.imread(path).astype(np.float32)
    stains[1, 3, 3] = np.nan
    tifffile.imwrite(path, stains)
    with pytest.raises(RecipeError, match="“a1” has pixels without a number"):
        read(make_stain_recipe(), copy)


def test_a_damaged_file_is_named(make_stain_recipe, copy):
    (copy / "fluorescence" / "a1.tif").write_bytes(b"this is no image")
    with pytest.raises(RecipeError, match=r"“a1\.tif” cannot be read as an image"):
        read(make_stain_recipe(), copy)
