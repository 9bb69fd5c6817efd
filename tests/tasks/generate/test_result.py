from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from PIL import Image

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.generate.nearest import Nearest
from napari_cytosynth.tasks.generate.result import Generation

RECORD = {"task": "generate", "synthetic": True}


def made_up(channels=("DNA",), count=4, size=16, **more):
    images = np.random.default_rng(0).random((count, len(channels), size, size), np.float32)
    options = {"model": "tiny", "pixel_size_um": 0.5, "provenance": RECORD} | more
    return Generation(images, tuple(channels), tuple(range(3, 3 + count)), **options)


@pytest.fixture
def pairs():
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 2:6, 2:6] = masks[1, 9:12, 9:14] = True
    states = np.random.default_rng(1).random((2, 5, 1, 16, 16)).astype(np.float16)
    return made_up(
        ("EM",),
        count=2,
        masks=masks,
        objects="mitochondria",
        conditions={"foreground fraction": 0.2},
        trajectory=states,
    )


# -- layers -----------------------------------------------------------------------------------


def test_channels_become_layers_that_say_they_are_synthetic():
    result, viewer = made_up(("DNA", "AGP", "Mito")), ViewerModel()
    added = result.add_to(viewer)
    assert [layer.name for layer in added] == [
        "synthetic tiny – DNA",
        "synthetic tiny – AGP",
        "synthetic tiny – Mito",
    ]
    assert [layer.colormap.name for layer in added] == ["cyan", "magenta", "#ff3366"]
    assert {layer.blending for layer in added} == {"additive"}
    for number, layer in enumerate(added):
        np.testing.assert_array_equal(layer.data, result.images[:, number])
        assert layer.axis_labels == ("sample", "y", "x")
        assert [str(unit) for unit in layer.units] == ["pixel", "micrometer", "micrometer"]
        np.testing.assert_array_equal(layer.scale, (1, 0.5, 0.5))
        record = layer.metadata[KEY]
        assert record["synthetic"] is True
        assert record["seeds"] == [3, 4, 5, 6]
        assert record["channel"] == result.channels[number]
        json.dumps(record)


def test_a_single_channel_is_grey_and_of_unknown_size():
    ((data, attributes, kind),) = made_up(pixel_size_um=None).to_layers()
    assert (data.shape, kind, attributes["colormap"]) == ((4, 16, 16), "image", "gray")
    assert attributes["units"] == ("pixel", "pixel", "pixel")
    assert attributes["scale"] == (1, 1, 1)


def test_stains_are_shown_up_to_their_own_brightest_pixels():
    result = made_up(("DNA", "phase"))
    result.images *= 0.2
    assert result.contrast_limits(0) == pytest.approx((0, 0.2), abs=0.01)
    assert result.contrast_limits(1) == (0, 1)
    empty = replace(result, images=np.zeros_like(result.images))
    assert empty.contrast_limits(0) == (0, 0.05)


def test_colour_pictures_are_one_rgb_layer():
    result = made_up(("red", "green", "blue"))
    (layer,) = result.add_to(ViewerModel())
    assert layer.rgb
    assert layer.name == "synthetic tiny"
    assert layer.axis_labels == ("sample", "y", "x")
    np.testing.assert_array_equal(layer.data, result.images.transpose(0, 2, 3, 1))


def test_masks_are_labels_with_one_id_for_each_object(pairs):
    assert [sorted(np.unique(plane)) for plane in pairs.labels] == [[0, 1], [0, 2, 3]]
    assert ((pairs.labels > 0) == pairs.masks).all()
    layer = pairs.add_to(ViewerModel())[-1]
    assert layer.name == "synthetic tiny – mitochondria"
    assert layer.data.dtype == np.int32


def test_the_images_are_the_last_step_of_their_trajectory(pairs):
    viewer = ViewerModel()
    images, steps, labels = pairs.add_to(viewer)
    assert images.axis_labels == steps.axis_labels == ("sample", "step", "y", "x")
    assert steps.data.shape == (2, 4, 16, 16)
    np.testing.assert_array_equal(steps.data, pairs.trajectory[:, :-1, 0])
    for layer in (images, labels):
        np.testing.assert_array_equal(layer.translate, (0, 4, 0, 0))
    assert viewer.dims.range[1][:2] == (0, 4)
    assert viewer.dims.current_step[1] == 4


def test_grid_lays_the_samples_side_by_side(pairs):
    result = made_up(("DNA", "ER"), count=5)
    grid = result.grid()
    assert grid.shape == (2, 2 * 16 + 2, 3 * 16 + 4)
    np.testing.assert_array_equal(grid[:, 18:34, 18:34], result.images[4])
    assert not grid[:, 16:18].any()
    assert result.grid(columns=9).shape == (2, 16, 5 * 16 + 8)
    with pytest.raises(InputError, match="at least 1 column"):
        result.grid(columns=0)
    data, attributes, _ = pairs.grid_layers()[0]
    assert (data.shape, attributes["name"]) == ((16, 34), "synthetic tiny – EM, grid")
    assert (attributes["scale"], attributes["axis_labels"]) == ((0.5, 0.5), ("y", "x"))
    labels, attributes, kind = pairs.grid_layers()[1]
    assert (kind, labels.max(), "grid" in attributes["name"]) == ("labels", 3, True)


def test_grid_of_colour_pictures_is_rgb():
    ((data, attributes, _),) = made_up(("red", "green", "blue")).grid_layers()
    assert (data.shape, attributes["rgb"]) == ((34, 34, 3), True)


# -- table ------------------------------------------------------------------------------------


def test_table_has_seeds_conditions_masks_and_neighbours(pairs):
    table = pairs.table
    assert list(table["seed"]) == [3, 4]
    assert list(table["foreground fraction"]) == [0.2, 0.2]
    assert list(table["objects"]) == [1, 2]
    np.testing.assert_allclose(table["mask_fraction"], [16 / 256, 31 / 256])
    assert "nearest_distance" not in table
    pairs.nearest = Nearest(
        np.array([0.1, 2], np.float32), np.array([7, 8]), (1.0,) * 5, np.array([True, False]), "e"
    )
    assert list(pairs.table["suspicious"]) == [True, False]
    assert list(pairs.table["nearest_index"]) == [7, 8]
    walk = made_up(count=3, label="cancerous", walk=(0.0, 0.5, 1.0), ends=(3, 9)).table
    assert list(walk.columns) == ["sample", "from_seed", "to_seed", "position", "class"]
    assert list(walk.iloc[1])[1:] == [3, 9, 0.5, "cancerous"]


# -- files ------------------------------------------------------------------------------------


def test_files_have_axes_names_pixel_size_and_seeds(tmp_path):
    result = made_up(("DNA", "ER"))
    files = result.save(tmp_path / "out")
    assert [path.name for path in files] == [
        "images.tif",
        "samples.csv",
        "contact-sheet.png",
        "provenance.json",
    ]
    file = read_image(files[0])
    assert (file.axes, file.pixel_size_um) == ("TCYX", 0.5)
    np.testing.assert_array_equal(file.data, result.images)
    with tifffile.TiffFile(files[0]) as tif:
        for word in ('Name="DNA"', 'Name="ER"', 'SizeT="4"', "by tiny, not measured", "3 to 6"):
            assert word in tif.ome_metadata
    table = pd.read_csv(files[1])
    assert list(table["seed"]) == [3, 4, 5, 6]


def test_every_file_says_that_it_is_synthetic(pairs, tmp_path):
    files = [*pairs.save(tmp_path / "out"), pairs.save_animation(tmp_path / "out" / "film")]
    assert {path.name for path in files} == {path.name for path in (tmp_path / "out").iterdir()}
    for path in files:
        match path.suffix:
            case ".tif":
                with tifffile.TiffFile(path) as tif:
                    content = tif.ome_metadata
            case ".png" | ".gif":
                with Image.open(path) as picture:
                    content = str(picture.info)
            case _:
                content = path.read_text()
        assert "synthetic" in content.lower(), path
    assert pd.read_csv(tmp_path / "out" / "samples.csv")["synthetic"].all()


def test_a_result_without_a_record_is_marked_as_well(tmp_path):
    bare = made_up(provenance={})
    record = json.loads(bare.save(tmp_path)[-1].read_text())
    assert (record["synthetic"], record["task"]) == (True, "generate")
    assert not {"model", "parameters", "source"} & set(record)
    zarr = pytest.importorskip("zarr")
    store = bare.save(tmp_path / "bare.zarr")[0]
    assert zarr.open_group(store).attrs[KEY]["synthetic"] is True


def test_masks_labels_and_trajectory_have_files_of_their_own(pairs, tmp_path):
    older = pairs.save(tmp_path / "em.ome.tif")
    assert [path.name for path in older[:4]] == [
        "em.ome.tif",
        "em-masks.tif",
        "em-labels.tif",
        "em-trajectory.tif",
    ]
    images, masks, labels, states = (read_image(path) for path in older[:4])
    assert [file.axes for file in (images, masks, labels, states)] == ["TYX"] * 3 + ["TZYX"]
    np.testing.assert_array_equal(masks.data > 0, pairs.masks)
    assert masks.data.max() == 255
    np.testing.assert_array_equal(labels.data, pairs.labels)
    np.testing.assert_array_equal(states.data, pairs.trajectory[:, :, 0])
    made_up().save(tmp_path / "em.ome.tif")
    assert [path.exists() for path in older[:4]] == [True, False, False, False]


def test_images_can_have_files_of_their_own(pairs, tmp_path):
    written = pairs.save(tmp_path, separate=True)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in written if path.parent.name in
                   ("image", "mask"))  # fmt: skip
    assert files == [
        f"{part}/tiny-seed-{seed}.tif" for part in ("image", "mask") for seed in (3, 4)
    ]
    image = read_image(tmp_path / "image" / "tiny-seed-4.tif")
    assert (image.axes, image.pixel_size_um) == ("YX", 0.5)
    np.testing.assert_array_equal(image.data, pairs.images[1, 0])
    mask = read_image(tmp_path / "mask" / "tiny-seed-4.tif").data
    np.testing.assert_array_equal(mask, pairs.masks[1] * 255)
    with tifffile.TiffFile(tmp_path / "mask" / "tiny-seed-4.tif") as tif:
        assert "SYNTHETIC" in tif.ome_metadata
        assert "seed 4" in tif.ome_metadata
    walk = made_up(("red", "green", "blue"), count=3, walk=(0.0, 0.5, 1.0), ends=(3, 9))
    walk.save(tmp_path / "w", separate=True)
    assert sorted(path.name for path in (tmp_path / "w" / "image").iterdir()) == [
        "tiny-walk-3-9-000.tif",
        "tiny-walk-3-9-001.tif",
        "tiny-walk-3-9-002.tif",
    ]


def test_colour_pictures_are_written_as_such(tmp_path):
    result = made_up(("red", "green", "blue"))
    result.save(tmp_path)
    with tifffile.TiffFile(tmp_path / "images.tif") as tif:
        assert (tif.series[0].axes, tif.pages[0].photometric.name) == ("TYXS", "RGB")
        pixels = tif.asarray()
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels / 255, result.images.transpose(0, 2, 3, 1), atol=1 / 255)


def test_zarr_holds_images_labels_and_trajectory(pairs, tmp_path):
    zarr = pytest.importorskip("zarr")
    files = pairs.save(tmp_path / "em.zarr")
    assert [path.name for path in files][1:3] == ["em-samples.csv", "em-contact-sheet.png"]
    root = zarr.open_group(tmp_path / "em.zarr", mode="r")
    np.testing.assert_array_equal(root["0"][:], pairs.images)
    np.testing.assert_array_equal(root["labels/mitochondria/0"][:], pairs.labels)
    assert root["trajectory/0"].shape == (2, 1, 5, 16, 16)
    assert "SYNTHETIC" in root.attrs["ome"]["multiscales"][0]["name"]
    assert root.attrs["napari-cytosynth"]["synthetic"] is True


def test_contact_sheet_shows_every_image_channel_and_mask(pairs, tmp_path):
    made_up(("DNA", "ER", "Mito")).save(tmp_path)
    sheet = read_image(tmp_path / "contact-sheet.png").data
    pairs.save(tmp_path / "pairs")
    other = read_image(tmp_path / "pairs" / "contact-sheet.png").data
    assert sheet.shape[0] > 5 * 128  # 2 rows of composites and a row for each channel
    assert (other == (255, 200, 0)).all(axis=-1).any()  # the outline
    many = made_up(count=200, size=8)
    many.save(tmp_path / "many")
    assert max(read_image(tmp_path / "many" / "contact-sheet.png").data.shape) < 2000


def test_a_perhaps_copied_image_stands_out_on_the_sheet(tmp_path):
    result = made_up()
    plain = result.save(tmp_path / "a")[2].read_bytes()
    none, one = np.zeros(4, bool), np.array([True, False, False, False])
    result.nearest = Nearest(np.zeros(4, np.float32), np.zeros(4, int), (1.0,) * 5, none, "e")
    assert result.save(tmp_path / "a")[2].read_bytes() == plain
    result.nearest = Nearest(np.zeros(4, np.float32), np.zeros(4, int), (1.0,) * 5, one, "e")
    assert result.save(tmp_path / "a")[2].read_bytes() != plain


# -- films ------------------------------------------------------------------------------------


def test_film_of_a_trajectory_goes_from_noise_to_image(pairs, tmp_path):
    with Image.open(pairs.save_animation(tmp_path / "film.gif")) as film:
        assert (film.n_frames, film.info["loop"]) == (5, 0)
        film.seek(4)
        last = np.asarray(film.convert("L"))[:16, :16]
    side = 480 // 2 // 16
    first = np.asarray(pairs.trajectory[0, -1, 0], np.float32) * 255
    np.testing.assert_allclose(last, first.repeat(side, 0).repeat(side, 1)[:16, :16], atol=1)


def test_layers_of_a_walk_name_its_ends_only():
    walk = made_up(count=3, walk=(0.0, 0.5, 1.0), ends=(3, 9))
    [(_, attributes, _)] = walk.to_layers()
    record = attributes["metadata"][KEY]
    assert (record["seeds"], record["walk"]) == ([3, 9], [0.0, 0.5, 1.0])


def test_film_of_a_walk_goes_there_and_back(tmp_path):
    walk = made_up(count=4, walk=(0.0, 1 / 3, 2 / 3, 1.0), ends=(3, 6))
    with Image.open(walk.save_animation(tmp_path / "walk.gif")) as film:
        assert film.n_frames == 6
        assert film.size == (256, 276)


def test_what_cannot_be_filmed_is_explained(pairs, tmp_path):
    with pytest.raises(InputError, match="nothing to make a film of"):
        made_up().save_animation(tmp_path / "film.gif")
    with pytest.raises(OutputError, match=r"ends in \.gif"):
        pairs.save_animation(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())
