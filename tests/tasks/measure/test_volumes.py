"""Objects measured in 3-D against what is known of ellipsoids, discs and boxes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from skimage.measure import marching_cubes, mesh_surface_area, regionprops

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.measure.table import measure


def ellipsoid(radii, size, centre=(0.3, 0.2, 0.1)):
    """Voxels and centre of an ellipsoid of radii and voxel sizes (z, y, x) in µm."""
    counts = [int(2 * r / s) + 7 for r, s in zip(radii, size, strict=True)]
    grid = np.indices(counts, dtype=float)
    middle = [n // 2 + c for n, c in zip(counts, centre, strict=True)]
    parts = [((g - m) * s / r) ** 2 for g, m, s, r in zip(grid, middle, size, radii, strict=True)]
    return (sum(parts) <= 1).astype(np.int32), middle


def spheroid_area(a, c):
    """Area of the surface of an ellipsoid of radii a, a and c."""
    if a == c:
        return 4 * np.pi * a * a
    if c < a:
        e = np.sqrt(1 - (c / a) ** 2)
        return 2 * np.pi * a * a * (1 + (1 - e * e) / e * np.arctanh(e))
    e = np.sqrt(1 - (a / c) ** 2)
    return 2 * np.pi * a * a * (1 + c / (a * e) * np.arcsin(e))


SIZES = [(1.0, 1.0, 1.0), (2.0, 0.5, 0.5), (1.0, 0.25, 0.25), (0.6, 0.9, 0.9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radii", [(9, 9, 9), (7, 12, 12), (14, 8, 8)])
def test_an_ellipsoid_has_its_volume_surface_centroid_and_extents(radii, size):
    labels, middle = ellipsoid(radii, size)
    row = measure(labels, pixel_size=size).iloc[0]
    assert row["volume_um3"] == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.02)
    surface = spheroid_area(radii[1], radii[0])
    assert row["surface_um2"] == pytest.approx(surface, rel=0.05)
    vertices, faces, *_ = marching_cubes(labels.astype(np.float32), 0.5, spacing=size)
    mesh = mesh_surface_area(vertices, faces)
    assert abs(row["surface_um2"] - surface) < abs(mesh - surface)
    for axis, m, step, radius in zip("zyx", middle, size, radii, strict=True):
        assert row[f"centroid_{axis}_px"] == pytest.approx(m, abs=0.1)
        assert row[f"centroid_{axis}_um"] == pytest.approx(m * step, abs=0.1 * step)
        assert row[f"extent_{axis}_um"] == pytest.approx(2 * radius, abs=1.5 * step)
        assert row[f"extent_{axis}_px"] * step == pytest.approx(row[f"extent_{axis}_um"])
    diameter = 2 * np.cbrt(np.prod(radii))
    assert row["equivalent_diameter_um"] == pytest.approx(diameter, rel=0.01)


def test_figures_in_voxels_are_those_of_regionprops():
    labels = np.random.default_rng(0).integers(0, 6, (5, 12, 14)) * 10
    image = np.random.default_rng(1).integers(0, 60000, labels.shape).astype(np.uint16)
    table = measure(labels, image)
    props = regionprops(labels, image)
    assert table["label"].tolist() == [p.label for p in props]
    assert table["volume_px"].tolist() == [p.num_pixels for p in props]
    columns = [f"centroid_{axis}_px" for axis in "zyx"]
    np.testing.assert_allclose(table[columns], [p.centroid for p in props])
    boxes = np.array([p.bbox for p in props])
    extents = table[[f"extent_{axis}_px" for axis in "zyx"]]
    np.testing.assert_array_equal(extents, boxes[:, 3:] - boxes[:, :3])
    np.testing.assert_allclose(table["mean_intensity"], [p.intensity_mean for p in props])
    assert table["max_intensity"].tolist() == [p.intensity_max for p in props]
    assert table["max_intensity"].dtype == image.dtype
    sums = [int(image[labels == label].sum()) for label in table["label"]]
    assert table["sum_intensity"].tolist() == sums
    assert "volume_um3" not in table


def test_objects_of_one_plane_and_at_the_border_have_closed_surfaces():
    y, x = np.indices((60, 60)) - 29.5
    disc = (y**2 + x**2 < 25**2).astype(int)
    true = 2 * np.pi * 25**2 + 2 * np.pi * 25
    inside = measure(np.stack([0 * disc, disc, 0 * disc]), pixel_size=(1, 1, 1))
    alone = measure(disc[None], pixel_size=(1, 1, 1))
    cropped = measure(disc[None, 4:-4, 4:-4], pixel_size=(1, 1, 1))
    assert alone["surface_um2"][0] == pytest.approx(true, rel=0.1)
    for other in (inside, cropped):
        assert other["surface_um2"][0] == pytest.approx(alone["surface_um2"][0])
        assert other["volume_um3"][0] == disc.sum()
    voxel = np.zeros((3, 3, 3), int)
    voxel[1, 1, 1] = 4
    assert 2 < measure(voxel)["surface_px"][0] < 6


def test_the_surfaces_of_objects_that_touch_are_their_own():
    labels = np.zeros((10, 12, 20), int)
    labels[2:8, 2:10, 2:10] = 1
    labels[2:8, 2:10, 10:18] = 2
    together = measure(labels)["surface_px"]
    alone = measure((labels == 1).astype(int))["surface_px"][0]
    np.testing.assert_allclose(together, alone)


def test_an_unknown_distance_of_planes_gives_no_physical_volume():
    labels, _ = ellipsoid((4, 6, 6), (1, 1, 1))
    known, unknown = measure(labels, pixel_size=(3, 0.5, 0.5)), measure(labels, pixel_size=0.5)
    lengths = {name for name in unknown if "_um" in name}
    assert lengths == {"centroid_y_um", "centroid_x_um", "extent_y_um", "extent_x_um"}
    for name in unknown:
        assert unknown[name][0] == known[name][0]
    assert known["volume_um3"][0] == pytest.approx(known["volume_px"][0] * 0.75)
    layer = Labels(labels, scale=(3, 0.5, 0.5), units=("s", "um", "um"))
    assert set(measure(layer, axes="ZYX")) == set(unknown)


def test_a_layer_brings_its_distance_of_planes():
    labels, _ = ellipsoid((4, 6, 6), (1, 1, 1))
    layer = Labels(labels, scale=(3000, 500, 500), units=("nm", "nm", "nm"), axis_labels="zyx")
    pd.testing.assert_frame_equal(measure(layer), measure(labels, pixel_size=(3, 0.5, 0.5)))
    # Z is the layer's where it is not given
    assert measure(layer, pixel_size=0.25)["volume_um3"][0] == measure(
        labels, pixel_size=(3, 0.25, 0.25)
    )["volume_um3"][0]  # fmt: skip


def test_a_size_along_z_of_planes_without_z_is_refused():
    with pytest.raises(InputError, match="along Z too"):
        measure(np.ones((3, 8, 8), int), pixel_size=(2, 1, 1), axes="TYX")
    for bad in [(0, 1, 1), (1, 1, float("nan")), ("a", 1, 1), (1, 1, 1, 1)]:
        with pytest.raises(InputError, match="positive number"):
            measure(np.ones((3, 8, 8), int), pixel_size=bad, axes="ZYX")


def test_planes_can_be_measured_by_themselves():
    labels = np.zeros((3, 10, 10), int)
    labels[0, 2:4, 2:4] = labels[2, 5:8, 5:8] = 3
    table = measure(labels, by_plane=True)
    assert table[["label", "z", "area_px"]].to_numpy().tolist() == [[3, 0, 4], [3, 2, 9]]
    assert len(measure(labels)) == 1
    assert measure(labels, axes="PYX")["area_px"].tolist() == [4, 9]


def test_frames_have_rows_of_their_own_and_no_index_twice():
    labels = np.zeros((2, 3, 8, 8), int)
    labels[:, 1:, 1:4, 1:4] = 1  # the same number in both frames
    labels[0, :, 5:7, 5:7] = 2
    table = measure(labels, pixel_size=(2, 1, 1))
    assert table[["label", "t", "volume_px"]].to_numpy().tolist() == [
        [1, 0, 18], [2, 0, 12], [1, 1, 18]
    ]  # fmt: skip
    assert table["index"].tolist() == [-1, 2, -2]
    assert table["volume_um3"].tolist() == [36, 24, 36]


def hovered(viewer, position):
    """What napari's status bar shows of the object under the pointer."""
    layer = viewer.layers[0]
    viewer.dims.set_current_step(range(layer.ndim), position)
    view = {"view_direction": None, "dims_displayed": list(viewer.dims.displayed)}
    return layer.get_status(position, world=True, **view)["coordinates"]


@pytest.mark.parametrize("frames", [0, 2])
def test_napari_shows_the_row_of_the_object_under_the_pointer(frames):
    labels = np.zeros((4, 16, 16), int)
    labels[0:2, 2:6, 2:6] = 7
    labels[1:4, 9:15, 9:15] = 3
    if frames:
        labels = np.stack([labels, np.where(labels > 0, labels + 20, 0)])
    viewer = ViewerModel()
    layer = viewer.add_labels(labels)
    layer.features = measure(labels)
    for label in np.unique(labels[labels > 0]):
        row = layer.features.set_index("label").loc[label]
        shown = hovered(viewer, tuple(np.argwhere(labels == label)[-1]))
        assert f"volume_px: {row['volume_px']:.0f}" in shown
        assert f"label: {label}" in shown
        if frames:
            assert f"t: {row['t']:.0f}" in shown


def test_napari_shows_no_row_rather_than_that_of_another_frame():
    labels = np.zeros((2, 8, 8), int)
    labels[0, 1:3, 1:3], labels[1, 1:6, 1:6] = 1, 1
    viewer = ViewerModel()
    layer = viewer.add_labels(labels)
    layer.features = measure(labels, axes="TYX")
    assert "area_px" not in hovered(viewer, (0, 2, 2))
    assert layer.features["area_px"].tolist() == [4, 25]


def test_labels_of_any_kind_of_whole_number():
    labels = np.zeros((2, 6, 6), int)
    labels[:, 1:3, 1:3] = 1
    for kind in (bool, np.uint8, np.uint64, np.int16):
        assert measure(labels.astype(kind))["volume_px"].tolist() == [8]
    large = labels.astype(np.uint64) * (2**62)
    assert measure(large)["label"].tolist() == [2**62]
    assert len(measure(labels * 0)) == 0
