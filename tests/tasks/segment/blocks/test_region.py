"""A region of a plane in blocks: what it is in the region of the whole plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.region.shapes import Area, Region
from napari_cytosynth.tasks.export.records import embedded_record
from napari_cytosynth.tasks.segment.blocks import segment_in_blocks

FAR = np.array([[400, 380], [400, 480], [560, 500], [560, 380]], float)
ROUND = np.array([[40, 60], [40, 220], [180, 220], [180, 60]], float)
REGION = Region((Area(ROUND, ellipse=True), Area(FAR)), "two")


def both(image, model, path, region=REGION, **options):
    """Return the result of the whole plane, that in blocks, and the labels of the latter."""
    options |= {"pixel_size": (0.5, 0.25), "tile_size": 64, "region": region}
    whole = cytosynth.segment(image, model, **options)
    found = segment_in_blocks(image, path, model, **options)
    root = zarr.open_group(path, mode="r")
    np.testing.assert_allclose(root["0"][...], whole.probability, atol=1e-6)
    return whole, found, root["labels/blobs/0"][...]


OPTIONS = {
    "kept": {},
    "left out": {"at_border": "drop", "threshold": 0.123},
    "marked": {"at_border": "mark", "fill_holes": True, "min_size": 5},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", ["flows", "components"])
def test_objects_are_those_of_the_whole_plane(
    tmp_path, scene, by_flows, by_components, kind, options
):
    image, axes, model = (
        (scene, "CYX", by_flows) if kind == "flows" else (scene[0], "YX", by_components)
    )
    if kind == "components":
        options = options | {"threshold": 0.65}
    whole, found, labels = both(image, model, tmp_path / "x.zarr", axes=axes, **options)
    assert len(found.table) > 3
    np.testing.assert_array_equal(labels, whole.labels)
    pd.testing.assert_frame_equal(found.table, whole.table, check_dtype=False)
    marked = options.get("at_border") == "mark"
    assert ("at_region_border" in found.table) == marked
    if marked:
        assert 0 < found.table["at_region_border"].sum() < len(found.table)
    record = embedded_record(tmp_path / "x.zarr")["parameters"]
    assert record["region"] == REGION.record()


def test_only_tiles_and_blocks_that_touch_it_are_run(tmp_path, scene, by_components, monkeypatch):
    from napari_cytosynth.inference.predictor import Predictor
    from napari_cytosynth.tasks.segment.blocks.decoding import ComponentDecoder

    tiles, blocks = [], []
    tile, decode = Predictor._try_tile, ComponentDecoder.decode
    monkeypatch.setattr(
        Predictor, "_try_tile", lambda self, plane, one, *rest: tiles.append(one)
        or tile(self, plane, one, *rest),
    )  # fmt: skip
    monkeypatch.setattr(
        ComponentDecoder, "decode", lambda self, block: blocks.append(block) or decode(self, block)
    )
    segment_in_blocks(
        scene[0], tmp_path / "x.zarr", by_components, axes="YX", tile_size=64,
        region=[FAR],
    )  # fmt: skip
    rows = [(one.y.start, one.y.stop) for one in tiles]
    assert len(tiles) <= 4 * 4
    assert min(stop for _, stop in rows) > 400
    assert len(blocks) == 4  # of 25


def test_a_hole_of_the_region_is_outside(tmp_path, scene, by_components):
    inner = np.array([[80.5, 100.5], [80.5, 180.5], [140.5, 180.5], [140.5, 100.5]])
    region = Region((Area(ROUND, holes=(inner,)),))
    whole, _, labels = both(scene[0], by_components, tmp_path / "x.zarr", region, axes="YX")
    np.testing.assert_array_equal(labels, whole.labels)
    assert labels[41:80, 61:220].any()
    assert not labels[81:140, 101:180].any()


def test_a_region_elsewhere_is_refused(tmp_path, scene, by_components):
    with pytest.raises(InputError, match="No pixel of the image lies in the region “two”"):
        segment_in_blocks(
            scene[0], tmp_path / "x.zarr", by_components, axes="YX",
            region=Region((Area(FAR + 5000),), "two"),
        )  # fmt: skip
    assert not (tmp_path / "x.zarr").exists()
