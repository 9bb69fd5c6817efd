"""Stacks in the Segment and Measure widgets: two counts, both live, and rows in 3-D."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.measure import MeasureWidget


@pytest.fixture
def volume():
    """Three boxes of 0.9, 0.8 and 0.6, the second in two planes alone, the third in one."""
    stack = np.full((5, 48, 48), 0.02, np.float32)
    stack[0:5, 4:14, 4:14] = 0.9
    stack[1:3, 30:40, 4:14] = 0.8
    stack[4, 30:40, 30:40] = 0.6
    return stack


def labels_layer(viewer):
    return next(layer for layer in viewer.layers if layer._type_string == "labels")


def run(viewer, make_widget, stack, step=(1,), **layer):
    viewer.add_image(stack, name="stack", **layer)
    for axis, place in enumerate(step):
        viewer.dims.set_current_step(axis, place)
    widget = make_widget()
    widget.run()
    assert widget.wait(60)
    return widget


def counts(widget):
    plane, _, rest = widget.readout.value.partition(" in this plane · ")
    return plane, rest.partition(" in the stack")[0]


def test_both_counts_follow_the_slider_and_are_those_of_the_result(viewer, make_widget, volume):
    widget = run(viewer, make_widget, volume)
    assert counts(widget) == ("2", "3")
    for threshold, expected in ((0.7, ("2", "2")), (0.85, ("1", "1")), (0.95, ("0", "0"))):
        widget.threshold.value = threshold
        assert widget._settle.isActive()
        assert counts(widget) == expected
        assert widget.wait(60)
        assert counts(widget) == expected
        layer = labels_layer(viewer)
        assert len(layer.features) == int(expected[1])
        assert len(np.unique(layer.data[layer.data > 0])) == int(expected[1])


def test_numbers_and_colours_stay_while_the_slider_moves(viewer, make_widget, volume):
    widget = run(viewer, make_widget, volume)
    before = labels_layer(viewer).data[1].copy()
    widget.threshold.value = 0.7
    np.testing.assert_array_equal(labels_layer(viewer).data[1], before)
    widget.min_size.value = 300  # voxels of the whole object: the second has 200
    assert set(np.unique(labels_layer(viewer).data[1])) == {0, before[5, 5]}
    assert counts(widget) == ("1", "1")
    assert widget.wait(60)
    assert counts(widget) == ("1", "1")


def test_below_the_models_threshold_the_stack_is_counted_in_the_background(
    viewer, make_widget, volume
):
    volume[2:4, 20:26, 20:26] = 0.3
    widget = run(viewer, make_widget, volume, step=(2,))
    assert counts(widget) == ("2", "3")
    widget.threshold.value = 0.2
    assert counts(widget) == ("3", "counting …")
    assert widget._counts.wait(60)
    assert counts(widget) == ("3", "4")
    widget.wait(60)
    assert counts(widget) == ("3", "4")
    assert len(labels_layer(viewer).features) == 4


def test_specks_below_the_smallest_size_are_never_counted(viewer, make_widget, volume):
    volume[2, 20:26, 20:26] = 0.3  # 36 voxels
    widget = run(viewer, make_widget, volume, step=(2,))
    widget.min_size.value = 50
    assert widget.wait(60)
    assert counts(widget) == ("2", "3")
    widget._settle.setInterval(60_000)  # still dragging
    widget.threshold.value = 0.2
    assert counts(widget) == ("counting …", "counting …")  # they may be part of a larger object
    assert widget._counts.wait(60)
    assert counts(widget) == ("2", "3")
    assert widget.wait(60)
    assert counts(widget) == ("2", "3")


def test_the_count_of_the_plane_follows_the_plane_in_view(viewer, make_widget, volume):
    widget = run(viewer, make_widget, volume, step=(1,))
    viewer.dims.set_current_step(0, 4)
    assert counts(widget) == ("2", "3")
    viewer.dims.set_current_step(0, 3)
    assert counts(widget) == ("1", "3")


def test_each_time_point_has_its_own_stack(viewer, make_widget, volume):
    other = volume.copy()
    other[1:3, 30:40, 4:14] = 0
    widget = run(viewer, make_widget, np.stack([volume, other]), step=(1, 1))
    assert counts(widget) == ("1", "2")
    viewer.dims.set_current_step(0, 0)
    assert counts(widget) == ("2", "3")
    widget.threshold.value = 0.7
    assert counts(widget) == ("2", "2")
    widget.wait(60)
    assert sorted(labels_layer(viewer).features["t"]) == [0, 0, 1]


def test_linking_can_be_switched_off_where_there_is_depth(viewer, make_widget, volume, network):
    widget = run(viewer, make_widget, volume)
    assert widget.link_planes.value is True
    assert network.runs[0]["link_planes"] is True
    widget.link_planes.value = False
    assert widget.wait(60)
    assert widget.readout.value.startswith("8 objects")
    assert "area_px" in labels_layer(viewer).features
    assert "link_planes=False" in widget.as_python()
    widget.axes.value = "TYX"
    assert not widget.link_planes.visible


@pytest.mark.newer_napari("its status bar writes numbers in another way")
def test_the_pointer_shows_the_row_of_the_object(viewer, make_widget, volume):
    run(viewer, make_widget, volume, scale=(2, 0.5, 0.5), units="um", axis_labels="zyx")
    layer = labels_layer(viewer)
    viewer.dims.set_current_step(0, 1)
    shown = layer.get_status((2, 17, 4), world=True, dims_displayed=[1, 2])["coordinates"]
    row = layer.features.set_index("label").loc[layer.data[1, 34, 8]]
    assert row["volume_um3"] == 200 * 0.5
    assert f"volume_um3: {row['volume_um3']:.0f}, " in shown


def test_a_step_along_z_that_is_given_is_in_the_table(viewer, make_widget, volume):
    viewer.add_image(volume, scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    widget = make_widget()
    widget.z_size.value = 3
    widget.run()
    widget.wait(60)
    table = labels_layer(viewer).features
    assert table["volume_um3"].tolist() == (table["volume_px"] * 0.75).tolist()


@pytest.mark.newer_napari("a layer whose data get another number of axes breaks its drawing")
def test_measure_takes_three_sizes_and_says_what_is_not_known(viewer, dock, volume):
    layer = viewer.add_labels((volume > 0.5).astype(int), name="boxes")
    widget = MeasureWidget(viewer)
    dock(widget, "Measure")
    widget.run()
    assert widget.wait(60)
    assert "volumes and surfaces are in voxels only" in widget.status.value
    widget.z_size.value = 2
    widget.run()
    assert "sizes along Y and X, too" in widget.status.value
    widget.x_size.value = 0.5
    widget.run()
    assert widget.wait(60)
    assert "only" not in widget.status.value
    assert layer.features["volume_um3"][0] == layer.features["volume_px"][0] * 0.5
    layer.data = np.stack([layer.data, layer.data])
    widget.run()
    assert widget.wait(60)
    assert "have a row in each" in widget.status.value
