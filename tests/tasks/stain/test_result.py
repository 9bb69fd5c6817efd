from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.stain.result import Staining


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)


def test_layers_carry_geometry_colours_and_record(image, tiny_stainer):
    layer = Image(image, name="phase", scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    added = cytosynth.stain(layer, tiny_stainer, samples=3).add_to(viewer)
    assert [new.name for new in added] == [
        "DNA · virtual · phase",
        "AGP · virtual · phase",
        "DNA σ · virtual · phase",
        "AGP σ · virtual · phase",
    ]
    assert [new.colormap.name for new in added] == ["cyan", "magenta", "magma", "magma"]
    assert [new.visible for new in added] == [True, False, False, False]
    assert {new.blending for new in added} == {"additive"}
    assert added[0].contrast_limits == [100, 1100]
    for new in added:
        np.testing.assert_array_equal(new.extent.world, layer.extent.world)
        assert new.units == layer.units
        json.dumps(new.metadata[KEY])
    record = added[1].metadata[KEY]
    assert (record["stain"], record["role"]) == ("AGP", "mean")
    assert record["uncertainty_layer"] == added[3].name


@pytest.mark.parametrize("axes", ["TCYX", "CZYX"])
def test_results_lie_on_the_slider_of_their_plane(image, tiny_stainer, axes):
    sizes = dict(zip("TZCYX", (3, 2, 2, *image.shape), strict=True))
    stack = np.broadcast_to(image, [sizes[axis] for axis in axes]).copy()
    planes = tuple(sizes[axis] - 1 for axis in axes if axis not in "CYX")
    scale = np.array([5, 4, 3, 0.5, 0.25])[["TZCYX".index(axis) for axis in axes]]
    viewer = ViewerModel()
    layer = viewer.add_image(stack, scale=scale, translate=scale * 2)
    result = cytosynth.stain(layer, tiny_stainer, axes=axes, channels=[1], planes=planes, samples=2)
    assert result.axes == "CYX"
    place = dict(zip([a for a in axes if a not in "CYX"], planes, strict=True)) | {"C": 1}
    point = np.array([place.get(axis, 7) for axis in axes])
    for added in result.add_to(viewer):
        local = added.world_to_data(layer.data_to_world(point)[-added.ndim :])
        there = np.where(np.array(added.data.shape) == 1, 0, point[-added.ndim :])
        np.testing.assert_allclose(local, there)


@pytest.mark.parametrize(
    ("stain", "colormap"),
    [("DAPI", "cyan"), ("nuclei", "cyan"), ("nucleoli (RNA)", "#ff9933"), ("ER", "yellow"),
     ("membrane", "magenta"), ("Mito", "#ff3366"), ("PI", "#ff9933"), ("water", "cyan")],
)  # fmt: skip
def test_stains_have_their_usual_colours(stain, colormap):
    result = Staining(np.zeros((1, 4, 4), np.float32), None, (stain,), "CYX")
    assert result.to_layers()[0][1]["colormap"] == colormap


def test_files_carry_names_pixel_size_and_a_warning(image, tiny_stainer, tmp_path):
    stack = np.stack([image, image[::-1]])
    result = cytosynth.stain(
        stack, tiny_stainer, samples=3, axes="TYX", pixel_size=0.5, keep_samples=True
    )
    files = result.save(tmp_path / "out")
    assert [path.name for path in files] == [
        "mean.tif",
        "std.tif",
        "samples.tif",
        "provenance.json",
    ]
    for path, values in zip(files, (result.mean, result.std), strict=False):
        file = read_image(path)
        assert (file.axes, file.pixel_size_um) == ("CTYX", 0.5)
        np.testing.assert_array_equal(file.data, values)
        with tifffile.TiffFile(path) as tif:
            assert "predicted, not measured" in tif.ome_metadata
            assert 'Name="DNA"' in tif.ome_metadata
            assert 'Name="AGP"' in tif.ome_metadata
    with tifffile.TiffFile(files[1]) as tif:
        assert "calibrated uncertainty" in tif.ome_metadata
    np.testing.assert_array_equal(tifffile.imread(files[2]), result.samples)
    assert json.loads(files[3].read_text())["parameters"]["samples"] == 3
    names = [path.name for path in result.save(tmp_path / "cells.ome.tif")]
    assert names[:2] == ["cells.ome.tif", "cells-std.tif"]


@pytest.mark.parametrize("name", ["out", "cells.tif"])
def test_no_older_uncertainty_stays_beside_a_new_mean(image, tiny_stainer, tmp_path, name):
    older = cytosynth.stain(image, tiny_stainer, samples=3, keep_samples=True).save(tmp_path / name)
    newer = cytosynth.stain(image, tiny_stainer, samples=0).save(tmp_path / name)
    assert [path.exists() for path in older] == [True, False, False, True]
    assert newer == [older[0], older[3]]


def test_zarr_holds_mean_and_uncertainty(image, tiny_stainer, tmp_path):
    zarr = pytest.importorskip("zarr")
    result = cytosynth.stain(image, tiny_stainer, samples=3, pixel_size=0.5)
    result.save(tmp_path / "cells.zarr")
    root = zarr.open_group(tmp_path / "cells.zarr", mode="r")
    np.testing.assert_array_equal(root["0"][:], result.mean)
    np.testing.assert_array_equal(root["std/0"][:], result.std)
    ome = root.attrs["ome"]
    assert [channel["label"] for channel in ome["omero"]["channels"]] == ["DNA", "AGP"]
    scale = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
    assert scale["scale"] == [1, 0.5, 0.5]
    assert root.attrs["napari-cytosynth"]["task"] == "stain"


def test_samples_that_are_not_the_uncertainty_have_layers_of_their_own(image):
    planes = np.stack([image, image]).astype(np.float32)
    parts = {"std": planes, "sample_std": planes / 7, "display_range": ((0, 200), (0, 100))}
    result = Staining(planes, channels=("DNA", "AGP"), axes="CYX", count=4, **parts)
    last = result.to_layers()[-2:]
    names = [attributes["name"] for _, attributes, _ in last]
    assert names == ["DNA samples · virtual", "AGP samples · virtual"]
    np.testing.assert_array_equal(last[1][0], planes[1] / 7)
    for _, attributes, _ in last:
        assert not attributes["visible"]
        assert attributes["metadata"][KEY]["role"] == "sample spread"
    assert last[0][1]["contrast_limits"] == (0, 20)
    result.count = 0  # no samples were drawn: nothing differs
    assert len(result.to_layers()) == 4
