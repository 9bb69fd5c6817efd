from __future__ import annotations

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.ome_zarr.groups import (
    create_labels_group,
    describe_labels,
    fill_group,
)
from napari_cytosynth.tasks.export.ome_zarr.pyramid import (
    create_levels,
    fill_levels,
    halved,
    level_shapes,
)
from napari_cytosynth.tasks.export.records import pixel_digest

SIZE = (0.5, 0.25)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((2, 601, 900), np.float32)


@pytest.fixture
def written(tmp_path, image):
    root = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
    digests = fill_group(root, image, "CYX", SIZE, "image", ["a", "b"])
    name, group = create_labels_group(root, "nuclei")
    labels = (image[0] > 0.5).astype(np.int32)
    fill_group(group, labels, "YX", SIZE, "nuclei", labels=True)
    describe_labels(group)
    return tmp_path / "x.zarr", root, digests, name


def test_image_and_labels_are_valid(written):
    path, root, _, name = written
    yaozarrs.validate_zarr_store(str(path))
    assert root["labels"].attrs["ome"]["labels"] == ["nuclei"]
    about = root[name].attrs["ome"]["image-label"]
    assert about == {"version": "0.5", "source": {"image": "../../"}}


def test_levels_are_half_as_large_down_to_a_screen(written, image):
    _, root, digests, _ = written
    shapes = [root[str(level)].shape for level in range(3)]
    assert shapes == [(2, 601, 900), (2, 301, 450), (2, 151, 225)]
    assert digests == {str(level): pixel_digest(root[str(level)][...]) for level in range(3)}
    assert "3" not in root
    assert [root[f"labels/nuclei/{level}"].shape for level in range(3)] == [
        shape[1:] for shape in shapes
    ]


def test_a_ramp_lies_where_the_metadata_say(tmp_path):
    """The value of a pixel at any level is the place of its centre."""
    ramp = np.arange(1024, dtype=np.float32) * SIZE[1] + np.zeros((512, 1), np.float32)
    root = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
    fill_group(root, ramp, "YX", SIZE, "ramp")
    levels = root.attrs["ome"]["multiscales"][0]["datasets"]
    assert len(levels) == 3
    for level in levels:
        scale, *shift = level["coordinateTransformations"]
        across = root[level["path"]][0]
        start = shift[0]["translation"][1] if shift else 0
        np.testing.assert_allclose(across, np.arange(len(across)) * scale["scale"][1] + start)


def test_labels_of_lower_levels_are_the_most_frequent():
    def half(*rows):
        return halved(np.array(rows, np.int32), labels=True).tolist()

    assert half([5, 5], [5, 0]) == [[5]]
    assert half([0, 0], [0, 5]) == [[0]]
    assert half([0, 7], [7, 0]) == [[7]]  # as many: the object stays
    assert half([7, 3], [3, 7]) == [[7]]
    assert half([0, 0], [3, 7]) == [[0]]
    assert half([1, 2], [2, 4]) == [[2]]
    assert half([4, 0], [1, 2]) == [[4]]
    assert half([1, 1, 9]) == [[1, 9]]  # an odd end
    brute = np.random.default_rng(1).integers(0, 3, (40, 40), dtype=np.int32)
    small = halved(brute, labels=True)
    for y, x in np.ndindex(small.shape):
        counts = np.bincount(brute[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel(), minlength=3)
        assert counts[small[y, x]] == counts.max()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32, bool])
def test_intensities_are_means_of_their_own_type(kind):
    plane = np.random.default_rng(0).integers(0, 2, (7, 8)).astype(kind)
    small = halved(plane)
    assert (small.dtype, small.shape) == (kind, (4, 4))
    mean = plane[:6].astype(float).reshape(3, 2, 4, 2).mean((1, 3))
    np.testing.assert_array_equal(small[:3], mean if kind is np.float32 else np.rint(mean))


def test_large_whole_numbers_do_not_overflow():
    assert halved(np.full((2, 2), 65535, np.uint16)) == 65535
    assert halved(np.full((2, 2), 2**40 + 1, np.int64)) == 2**40 + 1


@pytest.mark.parametrize("labels", [False, True])
def test_a_chunk_at_a_time_gives_the_same(tmp_path, labels):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 9, (2, 2100, 1030), dtype=np.int32)
    whole = zarr.open_group(tmp_path / "whole.zarr", mode="w", zarr_format=3)
    fill_group(whole, image, "ZYX", None, "image", labels=labels)
    group = zarr.open_group(tmp_path / "parts.zarr", mode="w", zarr_format=3)
    levels = create_levels(group, image.shape, "ZYX", image.dtype)
    levels[0][...] = image
    ticks = []
    fill_levels(levels, "ZYX", labels=labels, progress=lambda *tick: ticks.append(tick))
    assert len(levels) == 5
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(level[...], whole[str(number)][...])
    assert [done for done, _, _ in ticks] == list(range(1, ticks[-1][1] + 1))


def test_small_and_empty_images_have_one_level():
    assert level_shapes((256, 256), "YX") == [(256, 256)]
    assert level_shapes((0, 1000), "YX") == [(0, 1000)]
    assert len(level_shapes((3, 1, 257), "ZYX")) == 2


def test_what_is_written_is_read_lazily_with_its_levels(written, image):
    path, *_ = written
    file = read_image(path, lazy=True)
    assert [level.shape[1:] for level in file.levels] == [(601, 900), (301, 450), (151, 225)]
    assert file.pixel_size_um == SIZE
    np.testing.assert_array_equal(file.levels[0][...], image)
