from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk, ellipse
from skimage.measure import regionprops

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.measure.table import measure


@pytest.fixture
def labels():
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(150, 170)), 4)
    labels = ndimage.label(noise > 0)[0].astype(np.int32)
    labels[labels == 2] = 0  # a gap in the ids
    labels[70, 0] = 99  # a single pixel
    return labels


def test_figures_are_those_of_regionprops(labels):
    image = np.random.default_rng(1).integers(0, 60000, labels.shape).astype(np.uint16)
    table = measure(labels, image)
    props = regionprops(labels, image)
    assert list(table["label"]) == [p.label for p in props]
    assert (table["index"] == table["label"]).all()
    same = {
        "area_px": "area",
        "equivalent_diameter_px": "equivalent_diameter_area",
        "axis_major_px": "axis_major_length",
        "axis_minor_px": "axis_minor_length",
        "eccentricity": "eccentricity",
        "perimeter_px": "perimeter",
        "mean_intensity": "intensity_mean",
        "max_intensity": "intensity_max",
    }
    for ours, theirs in same.items():
        expected = [p[theirs] for p in props]
        np.testing.assert_allclose(table[ours], expected, rtol=1e-7, atol=1e-6, err_msg=ours)
    np.testing.assert_allclose(
        table[["centroid_y_px", "centroid_x_px"]], [p.centroid for p in props]
    )
    longish = (table["eccentricity"] > 0).to_numpy()  # round things point nowhere
    orientation = np.rad2deg([p.orientation for p in props])
    np.testing.assert_allclose(table["orientation_deg"][longish], orientation[longish], atol=1e-5)
    np.testing.assert_allclose(table["solidity"], [p.solidity for p in props], atol=0.03)
    np.testing.assert_allclose(
        table["sum_intensity"], [image[labels == k].sum() for k in table["label"]]
    )


def test_convex_things_are_solid():
    labels = np.zeros((60, 60), np.uint8)
    labels[5:20, 5:30] = 1
    labels[disk((42, 40), 12)] = 2
    table = measure(labels)
    assert table["solidity"][0] == pytest.approx(1)
    assert 0.95 < table["solidity"][1] <= 1
    assert "area_um2" not in table


def test_physical_units_of_square_and_oblong_pixels():
    labels = np.zeros((80, 80), np.int32)
    labels[ellipse(40, 40, 10, 20)] = 5
    square = measure(labels, pixel_size=0.5).iloc[0]
    assert square["area_um2"] == pytest.approx(square["area_px"] / 4)
    assert square["centroid_x_um"] == pytest.approx(20)
    assert square["axis_major_um"] == pytest.approx(square["axis_major_px"] / 2)
    assert square["perimeter_um"] == pytest.approx(square["perimeter_px"] / 2)
    oblong = measure(labels, pixel_size=(2, 1)).iloc[0]
    assert oblong["eccentricity"] < 0.3 < square["eccentricity"]
    assert oblong["axis_major_um"] == pytest.approx(40, rel=0.03)


def test_stack_is_measured_plane_by_plane():
    labels = np.zeros((3, 10, 10), np.int32)
    labels[0, 2:4, 2:4] = 1
    labels[2, 5:8, 5:8] = 2
    table = measure(labels, axes="TYX", probability=np.full(labels.shape, 0.25))
    assert table[["label", "t", "area_px"]].to_numpy().tolist() == [[1, 0, 4], [2, 2, 9]]
    assert (table["mean_probability"] == 0.25).all()


def test_layer_brings_its_pixel_size():
    layer = SimpleNamespace(
        data=np.ones((4, 4), int),
        name="cells",
        scale=(0.1, 0.1),
        translate=(0, 0),
        units=("um", "um"),
        axis_labels=("y", "x"),
    )
    assert measure(layer)["area_um2"][0] == pytest.approx(0.16)
    layer.units = ("pixel", "pixel")
    assert "area_um2" not in measure(layer)
    layer.units = ("nm", "nm")
    assert measure(layer)["area_um2"][0] == pytest.approx(16 * 1e-8)


@pytest.mark.parametrize("shape", [(5, 5), (0, 5), (2, 5, 5)])
def test_no_objects_no_rows(shape):
    table = measure(np.zeros(shape, int), np.zeros(shape), 0.5)
    assert len(table) == 0
    assert ("solidity" if len(shape) == 2 else "volume_px") in table
    assert "mean_intensity" in table


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="whole numbers"):
        measure(np.zeros((3, 3)))
    with pytest.raises(InputError, match="same size"):
        measure(np.zeros((3, 3), int), np.zeros((3, 4)))
    with pytest.raises(InputError, match="positive"):
        measure(np.zeros((3, 3), int), pixel_size=0)


def test_labels_with_a_short_last_axis_are_asked_about():
    labels = np.zeros((40, 50, 1), np.uint8)
    labels[2:5, 3:9] = 1
    with pytest.raises(InputError, match=r"axes='YXC'"):
        measure(labels)
    assert list(measure(labels, axes="YXC").area_px) == [18]


def _disc(radius, size):
    y, x = np.mgrid[:100, :100] - 50.3
    return ((y * size[0]) ** 2 + (x * size[1]) ** 2 < radius**2).astype(int)


@pytest.mark.parametrize("size", [(4.0, 1.0), (1.0, 4.0), (2.0, 1.0), (1.0, 1.3)])
def test_a_perimeter_is_right_where_pixels_are_not_square(size):
    disc = measure(_disc(40, size), pixel_size=size)["perimeter_um"][0]
    assert disc == pytest.approx(2 * np.pi * 40, rel=0.06)
    for shape in ((90, 3), (3, 90), (30, 30)):
        bar = np.pad(np.ones(shape, int), 2)
        true = 2 * (shape[0] * size[0] + shape[1] * size[1])
        assert measure(bar, pixel_size=size)["perimeter_um"][0] == pytest.approx(true, rel=0.06)


def test_a_perimeter_changes_steadily_with_the_shape_of_pixels():
    labels = _disc(40, (1, 1)) * 7
    labels[45:55, 40:60] = 9  # an object in the hole of another
    square = measure(labels, pixel_size=0.5)
    nearly = measure(labels, pixel_size=(0.5, 0.5 * (1 + 1e-9)))
    np.testing.assert_allclose(nearly["perimeter_um"], square["perimeter_um"], rtol=1e-6)
    np.testing.assert_allclose(square["perimeter_um"], square["perimeter_px"] / 2)
    turned = measure(labels.T, pixel_size=(3, 1))["perimeter_um"]
    np.testing.assert_allclose(measure(labels, pixel_size=(1, 3))["perimeter_um"], turned)


def test_a_stack_without_planes_has_a_table_with_columns():
    nothing = np.zeros((0, 8, 8), int)
    table = measure(nothing, nothing * 0.5, 0.5, axes="TYX")
    assert len(table) == 0
    assert {"t", "perimeter_um", "mean_intensity"} <= set(table)
    table = measure(nothing, nothing * 0.5, (2, 0.5, 0.5))
    assert len(table) == 0
    assert {"volume_um3", "surface_um2", "max_intensity"} <= set(table)
    assert len(measure(np.zeros((0, 3, 8, 8), int))) == 0


def test_impossible_arguments_are_named():
    labels = np.ones((8, 8), int)
    with pytest.raises(InputError, match="along Z too"):
        measure(labels, pixel_size=(1, 1, 1))
    with pytest.raises(InputError, match="“by_plane” must be True or False"):
        measure(labels[None], by_plane="no")
    with pytest.raises(InputError, match="positive number of µm"):
        measure(labels, pixel_size=1e200)
    with pytest.raises(InputError, match="intensity image holds <U1 values"):
        measure(labels, np.full((8, 8), "a"))
    with pytest.raises(InputError, match="“labels” is the path of a file"):
        measure("labels.tif")


@pytest.mark.parametrize("ndim", [2, 3])
def test_labels_that_no_table_can_hold_are_refused_not_dropped(ndim):
    labels = np.zeros((2, 4, 5)[-ndim:], np.uint64)
    labels[..., 1, 1] = 2**63 - 1
    assert measure(labels)["label"].tolist() == [2**63 - 1]
    labels[..., 2, 2] = 2**63
    with pytest.raises(InputError, match="Number them anew"):
        measure(labels)


def test_labels_below_0_are_explained():
    labels = np.array([[0, 1, -1]])
    with pytest.raises(InputError, match="Some labels are below 0"):
        measure(labels)
    for name in ("parents", "children"):
        with pytest.raises(InputError, match="parents, children"):
            measure(abs(labels), **{name: labels})
