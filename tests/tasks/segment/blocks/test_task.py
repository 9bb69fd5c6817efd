"""A plane segmented in blocks has the probability, the labels and the table of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaozarrs
import zarr

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, OutputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.records import embedded_record, stored_pixels
from napari_cytosynth.tasks.segment.blocks import files, segment_in_blocks, tables
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.zoo.card import Normalisation

SHAPE = (600, 520)


def both(image, model, path, **options):
    """Return the result of the whole plane, that in blocks, and the labels of the latter."""
    whole = cytosynth.segment(image, model, pixel_size=(0.5, 0.25), tile_size=64, **options)
    found = segment_in_blocks(image, path, model, pixel_size=(0.5, 0.25), tile_size=64, **options)
    root = zarr.open_group(path, mode="r")
    np.testing.assert_allclose(root["0"][...], whole.probability, atol=1e-6)
    return whole, found, root["labels/blobs/0"][...]


FLOWS = {
    "as it is": {},
    "every pixel": {"min_size": 0, "threshold": 0.123},
    "holes filled": {"fill_holes": True},
    "border and doubtful": {"drop_border": True, "min_confidence": 0.6},
}


@pytest.mark.parametrize("options", FLOWS.values(), ids=FLOWS)
def test_objects_from_flows_are_those_of_the_whole_plane(tmp_path, scene, by_flows, options):
    whole, found, labels = both(scene, by_flows, tmp_path / "x.zarr", axes="CYX", **options)
    assert len(found.table) > 60
    np.testing.assert_array_equal(labels, whole.labels)
    pd.testing.assert_frame_equal(found.table, whole.table, check_dtype=False)
    assert [found.hidden] == whole.hidden_counts
    assert found.doubt == whole.doubt


COMPONENTS = {
    "as it is": {},
    "low": {"threshold": 0.02, "min_size": 30},
    "holes filled": {"fill_holes": True, "threshold": 0.4, "min_size": 5},
    "border": {"drop_border": True, "threshold": 0.65},
    "nothing": {"threshold": 1.0},
}


@pytest.mark.parametrize("options", COMPONENTS.values(), ids=COMPONENTS)
def test_components_are_those_of_the_whole_plane(tmp_path, scene, by_components, options):
    whole, found, labels = both(scene[0], by_components, tmp_path / "x.zarr", axes="YX", **options)
    np.testing.assert_array_equal(labels, whole.labels)
    pd.testing.assert_frame_equal(found.table, whole.table, check_dtype=False)
    assert bool(len(found.table)) is (options != COMPONENTS["nothing"])


def test_a_mesh_across_all_blocks_is_one_object(tmp_path, by_components, monkeypatch):
    """A net of thin lines, also diagonal ones that cross blocks at their corners."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.where((y == x) | (y + x == 511) | (y % 128 == 0), 5, -5).astype(np.float32)
    model = replace(by_components, network=torch.nn.Conv2d(1, 1, 1))
    with torch.no_grad():
        model.network.weight.fill_(8.0)
        model.network.bias.fill_(-4.0)
    whole, found, labels = both(image, model, tmp_path / "x.zarr")
    assert whole.labels.max() == 1
    np.testing.assert_array_equal(labels, whole.labels)
    pd.testing.assert_frame_equal(found.table, whole.table, check_dtype=False)
    assert not any("too large" in text for text in found.messages)
    monkeypatch.setattr(tables, "MOST", 1000)
    again = segment_in_blocks(image, tmp_path / "y.zarr", model)
    assert "1 object is too large" in " ".join(again.messages)
    assert again.table["area_px"].tolist() == whole.table["area_px"].tolist()
    assert again.table["solidity"].isna().all()


def test_a_long_object_is_joined_where_blocks_meet(tmp_path, by_flows):
    """It is far longer than what blocks see around them."""
    labels = np.zeros(SHAPE, np.int32)
    labels[20:580, 250:262] = 1
    labels[250:262, 300:500] = 2
    image = np.stack([np.where(labels > 0, 4.0, -11.0), *(5 * flow_field(labels))])
    found = segment_in_blocks(image.astype(np.float32), tmp_path / "x.zarr", by_flows, axes="CYX")
    result = zarr.open_group(tmp_path / "x.zarr", mode="r")["labels/blobs/0"][...]
    assert np.mean((result > 0) == (labels > 0)) > 0.995
    long = np.unique(result[40:560, 256])
    # whole, or in pieces that are each longer than a block
    assert len(long[long > 0]) <= 3
    assert len(found.table) <= 6


def test_the_file_is_valid_and_says_what_it_is(tmp_path, scene, by_flows):
    path = tmp_path / "x.zarr"
    found = segment_in_blocks(scene, path, by_flows, axes="CYX", pixel_size=0.5)
    yaozarrs.validate_zarr_store(str(path))
    record = embedded_record(path)
    assert record["task"] == "segment"
    assert record["in_blocks"] is True
    assert record["engine"]["tile_size"] > 0
    assert stored_pixels(path) == record["pixels"]
    assert [file.name for file in found.files] == ["x.zarr", "x-table.csv", "x-provenance.json"]
    table = pd.read_csv(tmp_path / "x-table.csv")
    np.testing.assert_allclose(table["area_px"], found.table["area_px"])
    read = cytosynth.read_objects(path)
    assert read.table["label"].tolist() == table["label"].tolist()
    assert len(read_image(path, lazy=True).levels) == 3


def test_a_large_table_is_not_in_the_metadata(tmp_path, scene, by_flows, monkeypatch):
    monkeypatch.setattr(files, "MOST_ROWS", 10)
    monkeypatch.setattr("napari_cytosynth.tasks.segment.blocks.run.MOST_ROWS", 10)
    found = segment_in_blocks(scene, tmp_path / "x.zarr", by_flows, axes="CYX")
    about = zarr.open_group(tmp_path / "x.zarr")["labels/blobs"].attrs["ome"]["image-label"]
    assert "properties" not in about
    assert "is in x-table.csv only" in " ".join(found.messages)


def test_a_zarr_of_one_plane_is_read_part_by_part(tmp_path, scene, by_flows):
    """Channels may come last, and axes of length 1 count the only plane."""
    image = np.moveaxis(scene, 0, -1)[None]
    array = zarr.create_array(tmp_path / "image", data=image, chunks=(1, 64, 64, 3))
    largest = []

    class Watched:
        shape, dtype, ndim = array.shape, array.dtype, array.ndim

        def __getitem__(self, key):
            part = array[key]
            largest.append(part.size)
            return part

    segment_in_blocks(Watched(), tmp_path / "x.zarr", by_flows, axes="ZYXC", tile_size=64)
    segment_in_blocks(scene, tmp_path / "y.zarr", by_flows, axes="CYX", tile_size=64)
    one, two = (zarr.open_group(tmp_path / name)["0"][...] for name in ("x.zarr", "y.zarr"))
    np.testing.assert_array_equal(one, two)
    # the middle that is looked at is as large as this plane
    assert sorted(largest)[-3] < image.size / 4


def test_cancelling_leaves_nothing(tmp_path, scene, by_flows):
    for stop in ("Tile", "finding", "numbering", "measuring", "making"):

        def progress(done, total, message, stop=stop):
            if message.startswith(stop):
                raise Cancelled

        with pytest.raises(Cancelled):
            segment_in_blocks(scene, tmp_path / "x.zarr", by_flows, axes="CYX", progress=progress)
        assert not list(tmp_path.iterdir())


def test_progress_goes_up_to_its_end(tmp_path, scene, by_components):
    ticks = []
    segment_in_blocks(
        scene[0],
        tmp_path / "x.zarr",
        by_components,
        fill_holes=True,
        tile_size=64,
        progress=lambda *tick: ticks.append(tick),
    )
    done = [tick[0] for tick in ticks if tick[1] == ticks[-1][1]]
    assert done == sorted(done)
    assert ticks[-1][0] == ticks[-1][1]
    assert len({tick[2] for tick in ticks}) > 5


def test_what_needs_a_whole_plane_is_refused(tmp_path, scene, make_model, by_components):
    image = scene[0]
    local = make_model(normalisation=Normalisation(kind="local"), splitting=None)
    with pytest.raises(InputError, match="scales each pixel by its surroundings"):
        segment_in_blocks(image, tmp_path / "x.zarr", local, split_touching=False)
    with pytest.raises(InputError, match="split by their shape"):
        segment_in_blocks(image, tmp_path / "x.zarr", by_components, split_touching=True)
    with pytest.raises(InputError, match="2 planes"):
        segment_in_blocks(np.stack([image] * 2), tmp_path / "x.zarr", by_components, axes="ZYX")
    with pytest.raises(InputError, match=r"give NAME\.zarr"):
        segment_in_blocks(image, tmp_path / "x", by_components)
    assert not list(tmp_path.iterdir())


def test_what_others_wrote_stays(tmp_path, scene, by_components):
    zarr.open_group(tmp_path / "x.zarr", mode="w").create_array("mine", shape=(2, 2), dtype="u1")
    with pytest.raises(OutputError, match="did not write it"):
        segment_in_blocks(scene[0], tmp_path / "x.zarr", by_components)
    assert (tmp_path / "x.zarr/mine").is_dir()


def test_an_empty_plane_has_no_objects(tmp_path, by_components):
    found = segment_in_blocks(np.full((300, 200), 7, np.uint8), tmp_path / "x.zarr", by_components)
    assert not len(found.table)
    assert "nothing can be found in it" in " ".join(found.messages)
    assert {"label", "area_px", "mean_probability"} <= set(found.table)
