"""Regions from files of other programs, in the pixels of an image."""

from __future__ import annotations

import json

import numpy as np
import pytest
import roifile
from napari.layers import Shapes
from napari_builtins.io import napari_write_shapes

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.region import RegionMasks
from napari_cytosynth.tasks.export.region_file import read_region

BOX = [[10, 5], [30, 5], [30, 25], [10, 25], [10, 5]]  # x, y: columns 10 to 29, rows 5 to 24
INSIDE = np.s_[5:25, 10:30]


def mask_of(path, axes="YX", shape=(40, 50), plane=(), across=""):
    region = read_region(path).in_pixels_of(axes, shape, across)
    return RegionMasks(region, (40, 50)).mask(plane)


def feature(*rings, **plane):
    geometry = {"type": "Polygon", "coordinates": list(rings)}
    return {"type": "Feature", "geometry": geometry | ({"plane": plane} if plane else {})}


def saved(path, shapes, kind="polygon"):
    layer = Shapes(shapes, shape_type=kind)
    meta = {"shape_type": list(layer.shape_type)}
    assert napari_write_shapes(str(path), list(layer.data), meta)
    return path


def geojson(path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def test_geojson_is_filled_as_qupath_does(tmp_path):
    hole = [[15, 10], [20, 10], [20, 20], [15, 20], [15, 10]]
    found = mask_of(geojson(tmp_path / "a.geojson", feature(BOX, hole)))
    expected = np.zeros((40, 50), bool)
    expected[INSIDE] = True
    expected[10:20, 15:20] = False
    np.testing.assert_array_equal(found, expected)


def test_regions_of_imagej(tmp_path):
    points = np.array(BOX[:4], float)
    box = roifile.ImagejRoi.frompoints(points)
    box.position = 3
    box.tofile(tmp_path / "a.roi")
    for shape, axes, plane in (((40, 50), "YX", ()), ((7, 40, 50), "TYX", (6,))):
        found = mask_of(tmp_path / "a.roi", axes, shape, plane)  # drawn once: in all planes
        assert found[INSIDE].all()
        assert found.sum() == 400
    other = roifile.ImagejRoi.frompoints(points + 10)
    other.position = 5
    roifile.roiwrite(tmp_path / "b.zip", [box, other])
    shape = (7, 40, 50)
    own = [mask_of(tmp_path / "b.zip", "TYX", shape, (t,)).any() for t in range(7)]
    assert own == [False, False, True, False, True, False, False]
    assert mask_of(tmp_path / "b.zip", "ZYX", shape, (), across="Z").sum() > 400


@pytest.mark.parametrize("kind", ["rectangle", "polygon", "ellipse"])
def test_shapes_that_napari_saved(tmp_path, kind):
    corners = np.array([[5, 10], [5, 29], [24, 29], [24, 10]], float)
    saved(tmp_path / "a.csv", [corners], kind)
    found = mask_of(tmp_path / "a.csv")
    assert not np.delete(np.delete(found, np.s_[5:25], 0), np.s_[10:30], 1).any()
    assert found[14, 19]
    assert abs(found.sum() - np.pi / 4 * 19**2) < 20 if kind == "ellipse" else found.sum() == 400
    assert "taken as pixels of the image" in read_region(tmp_path / "a.csv").messages[0]
    saved(tmp_path / "b.csv", [np.c_[np.full(4, t), corners] for t in (1, 2)])
    assert not mask_of(tmp_path / "b.csv", "TYX", (5, 40, 50), (0,)).any()
    assert mask_of(tmp_path / "b.csv", "TYX", (5, 40, 50), (2,)).any()
    with pytest.raises(InputError, match="have 3 axes, but the image has only the axes YX"):
        mask_of(tmp_path / "b.csv")


WRONG = {
    "a.txt": ("", "A region cannot be read from “a.txt”"),
    "a.csv": ("label,area\n1,2\n", "is no table of shapes as napari saves it"),
    "b.csv": ("index,shape-type,vertex-index,axis-0,axis-1\n0,path,0,1,2\n", "lines or paths"),
    "c.csv": ("index,shape-type,vertex-index,axis-0,axis-1\n", "no shape with an area"),
    "d.csv": ("index,shape-type,vertex-index,axis-0,axis-1\n0,polygon,0,x,1\n", "is no table"),
    "a.geojson": ("{", "is no GeoJSON"),
    "b.geojson": ('{"type": "Point", "coordinates": [1, 2]}', "no shape with an area"),
    "a.zip": ("PK", "cannot be unpacked"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_region_is_refused(tmp_path, name):
    text, sentence = WRONG[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_region(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_region(tmp_path / "none.geojson")
