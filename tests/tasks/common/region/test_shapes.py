"""Shapes layers in the pixels of an image, wherever both lie."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.layers import Image, Points, Shapes

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.common.region import Region, RegionMasks, find_region

SHAPE = (60, 80)
SQUARE = np.array([[10, 20], [10, 40], [30, 40], [30, 20]], float)


def mask_of(shapes, image, axes="YX", plane=()):
    region = find_region(shapes, read_source(image), axes)
    return RegionMasks(region, SHAPE).mask(plane)


def test_a_rectangle_is_its_pixels():
    found = mask_of(Shapes([SQUARE], shape_type="rectangle"), Image(np.zeros(SHAPE)))
    assert found[10:31, 20:41].all()
    assert found.sum() == 21 * 21


def test_an_ellipse_has_its_area_and_not_that_of_its_box():
    corners = np.array([[10, 10], [10, 70], [50, 70], [50, 10]], float)
    found = mask_of(Shapes([corners], shape_type="ellipse"), Image(np.zeros(SHAPE)))
    assert found.sum() == pytest.approx(np.pi * 20 * 30, rel=0.01)
    assert not found[11, 11]
    assert found[30, 11]
    assert found[30, 68]


def test_overlapping_shapes_are_one_region():
    found = mask_of(Shapes([SQUARE, SQUARE + 5], shape_type="polygon"), Image(np.zeros(SHAPE)))
    assert found[20, 30]
    assert found.sum() == 2 * 21**2 - 16**2


@pytest.mark.parametrize(
    "place",
    [
        {"scale": (0.5, 0.25), "translate": (7, -3)},
        {"rotate": 30, "scale": (2, 2)},
        {"affine": [[0.9, 0.3, 4], [-0.2, 1.1, 5], [0, 0, 1]], "shear": [0.2]},
    ],
)
def test_the_places_of_both_layers_count(place):
    """The same corners, drawn in a layer that lies elsewhere than the image."""
    image = Image(np.zeros(SHAPE), **place)
    other = {"scale": (3, 0.1), "translate": (-20, 11), "rotate": -40}
    empty = Shapes(ndim=2, **other)
    drawn = np.array([empty.world_to_data(image.data_to_world(corner)) for corner in SQUARE])
    region = find_region(Shapes([drawn], shape_type="polygon", **other), read_source(image), "YX")
    np.testing.assert_allclose(region.areas[0].vertices, SQUARE, atol=1e-6)


def test_units_of_both_layers_count():
    image = Image(np.zeros(SHAPE), scale=(0.5, 0.5), units=("um", "um"))
    shapes = Shapes([SQUARE * 500], shape_type="polygon", units=("nm", "nm"))
    region = find_region(shapes, read_source(image), "YX")
    np.testing.assert_allclose(region.areas[0].vertices, SQUARE, atol=1e-9)


def in_plane(z, t=None):
    place = [z] if t is None else [t, z]
    return np.array([[*place, *corner] for corner in SQUARE], float)


def test_shapes_in_one_plane_of_a_stack_hold_in_all():
    image = Image(np.zeros((5, *SHAPE)), scale=(2, 1, 1))
    shapes = Shapes([in_plane(6)], shape_type="polygon")
    region = find_region(shapes, read_source(image), "ZYX")
    assert region.drawn_in_one_plane
    masks = RegionMasks(region, SHAPE)
    assert all(masks.mask((z,)).sum() == 441 for z in range(5))
    assert masks.check([(z,) for z in range(5)]) == ["The region “Shapes” was drawn in one plane "
                                                     "and holds in all 5."]  # fmt: skip


def test_shapes_in_several_planes_hold_in_their_own():
    image = Image(np.zeros((5, *SHAPE)))
    shapes = Shapes([in_plane(1), in_plane(3)], shape_type="polygon")
    masks = RegionMasks(find_region(shapes, read_source(image), "ZYX"), SHAPE)
    assert [int(masks.mask((z,)).sum()) for z in range(5)] == [0, 441, 0, 441, 0]
    (said,) = masks.check([(z,) for z in range(5)])
    assert "no shape in 3 of 5 planes" in said
    assert RegionMasks(masks.region, SHAPE, position=(3,)).mask().any()
    with pytest.raises(InputError, match="No pixel of this plane"):
        RegionMasks(masks.region, SHAPE, position=(2,)).check([(2,)])


def test_flat_shapes_hold_in_all_planes_and_channels_do_not_matter():
    shapes = Shapes([SQUARE], shape_type="polygon")
    assert mask_of(shapes, Image(np.zeros((2, 5, *SHAPE))), "TZYX", (1, 4)).sum() == 441
    in_channel = Shapes([in_plane(1, t=3)], shape_type="polygon")
    image = Image(np.zeros((5, 2, *SHAPE)))
    region = find_region(in_channel, read_source(image), "ZCYX")
    assert region.drawn_in_one_plane
    colours = Image(np.zeros((*SHAPE, 3), np.uint8), rgb=True)
    assert mask_of(shapes, colours, "YXC").sum() == 441


def test_a_shape_across_planes_is_refused():
    tilted = in_plane(1)
    tilted[2:, 0] = 4
    shapes = Shapes([tilted], shape_type="polygon")
    with pytest.raises(InputError, match="tilted"):
        find_region(shapes, read_source(Image(np.zeros((5, *SHAPE)))), "ZYX")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Shapes(name="nothing"), "“nothing” is empty: draw"),
        (Shapes([[[0, 0], [9, 9]]], shape_type="line"), "lines or paths, which have no area"),
        (Shapes([[[0, 0], [9, 9], [9, 0]]], shape_type="path"), "lines or paths"),
        (Points([[1, 1]]), "holds points, which have no area"),
        (3, "must be a napari Shapes layer"),
        (np.zeros((2, 2)), "must be a napari Shapes layer"),
        ([np.zeros((3, 5))], "must be a napari Shapes layer"),
        ("text", "must be a napari Shapes layer"),
        ({"shapes": 3}, "must be a napari Shapes layer"),
    ],
)
def test_what_is_no_region_is_refused(layer, words):
    with pytest.raises(InputError, match=words):
        find_region(layer, read_source(np.zeros(SHAPE)), "YX")


def test_polygons_as_arrays():
    source = read_source(np.zeros((4, *SHAPE)))
    for region in (SQUARE, [SQUARE], SQUARE.tolist(), [in_plane(2)]):
        assert RegionMasks(find_region(region, source, "ZYX"), SHAPE).mask((0,)).sum() == 441


def test_the_record_is_plain_and_brings_the_region_back():
    corners = np.array([[10, 10], [20, 60], [50, 50], [40, 0]], float)
    shapes = Shapes([SQUARE, corners], shape_type=["rectangle", "ellipse"], name="edge")
    region = find_region(shapes, read_source(np.zeros(SHAPE)), "YX")
    record = json.loads(json.dumps(region.record()))
    again = find_region(record, read_source(np.zeros(SHAPE)), "YX")
    assert isinstance(again, Region)
    assert (again.name, again.areas[1].ellipse) == ("edge", True)
    one, other = RegionMasks(region, SHAPE), RegionMasks(again, SHAPE)
    np.testing.assert_array_equal(one.mask(), other.mask())
