from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth.tasks.common.layers import (
    layer_geometry,
    micrometres,
    physical_pixel_size,
    read_source,
)


@pytest.fixture
def layer():
    return Image(
        np.zeros((2, 3, 8, 9)),
        name="phase",
        scale=(1, 2, 0.5, 0.25),
        translate=(0, 1, 2, 3),
        rotate=np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.8, -0.6], [0, 0, 0.6, 0.8]]),
        shear=(0, 0, 0, 0, 0, 0.3),
        affine=np.diag([1, 1, 2, 2, 1]),
        units=("pixel", "s", "um", "um"),
        axis_labels=("c", "t", "y", "x"),
    )


def world(layer, point):
    return np.asarray(layer.data_to_world(point))


def test_result_lies_where_its_source_lies(layer):
    geometry = read_source(layer).geometry
    result = Image(np.zeros((3, 8, 9)), **layer_geometry(geometry, [1, 2, 3]))
    for point in [(0, 0, 0), (2, 7, 8), (1, 3, 5)]:
        np.testing.assert_allclose(world(result, point), world(layer, (0, *point))[1:])
    assert result.units == layer.units[1:]
    assert result.axis_labels == layer.axis_labels[1:]


def test_single_plane_lies_at_its_plane(layer):
    geometry = read_source(layer).geometry
    result = Image(np.zeros((1, 8, 9)), **layer_geometry(geometry, [1, 2, 3], {1: 2}))
    np.testing.assert_allclose(world(result, (0, 4, 5)), world(layer, (0, 2, 4, 5))[1:])


def test_pixel_size_follows_units_scale_and_affine(layer):
    geometry = read_source(layer).geometry
    assert physical_pixel_size(geometry, [2, 3]) == pytest.approx((1.0, 0.5))
    assert physical_pixel_size(geometry, [1, 2]) is None
    assert physical_pixel_size({}, [0, 1]) is None


def test_units():
    assert micrometres("nm") == pytest.approx(1e-3)
    assert micrometres("pixel") is None
    assert micrometres("nonsense") is None
    assert micrometres(None) is None


def test_multiscale_layer_gives_its_finest_level():
    layer = Image([np.zeros((8, 8)), np.zeros((4, 4))], multiscale=True)
    assert read_source(layer).data.shape == (8, 8)


def test_colour_axis_has_no_geometry():
    source = read_source(Image(np.zeros((8, 9, 3), np.uint8), rgb=True))
    assert source.rgb
    assert len(source.geometry["scale"]) == 2


def test_plain_arrays_and_lists():
    assert read_source([[1, 2], [3, 4]]).data.shape == (2, 2)
    assert read_source(np.zeros((2, 2))).geometry == {}
