"""The Segment form and what is on screen agree, whatever is set when."""

from __future__ import annotations

import numpy as np
import pytest


def labels_of(viewer):
    return next(layer for layer in viewer.layers if layer._type_string == "labels")


@pytest.mark.newer_napari("it does not tell docks of new names of layers")
def test_the_box_of_images_follows_the_viewer(viewer, make_widget, blobs):
    def shown():
        box = widget.image.native
        return [box.itemText(row) for row in range(box.count())]

    widget = make_widget()
    assert shown() == []
    layer = viewer.add_image(blobs, name="cells")
    assert shown() == ["cells"]
    layer.name = "renamed"
    assert shown() == ["renamed"]
    viewer.layers.remove(layer)
    assert shown() == []


@pytest.mark.parametrize(("name", "value"), [("min_size", 101), ("threshold", 0.95)])
def test_what_is_set_during_a_run_holds_for_its_result(
    viewer, make_widget, blobs, network, name, value
):
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    network.gate.clear()
    widget.run()
    assert network.inside.wait(10)
    getattr(widget, name).value = value
    network.gate.set()
    assert widget.wait(20)
    assert getattr(widget, name).value == value
    assert not labels_of(viewer).data.any()
    assert widget.readout.value.startswith("0 objects")
    assert f"{name}={value}" in widget.as_python()


def test_a_run_without_changes_is_labelled_once(viewer, make_widget, blobs):
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    widget.min_size.value = 50
    widget.run()
    assert widget._runs.wait(20)
    assert not widget._updates.busy


def test_the_z_step_of_another_image_is_forgotten(viewer, make_widget, blobs):
    stack = np.stack([blobs] * 3)
    geometry = {"units": ("µm",) * 3, "axis_labels": ("z", "y", "x")}
    viewer.add_image(stack, name="one", scale=(1, 0.5, 0.5), **geometry)
    two = viewer.add_image(stack, name="two", scale=(3, 0.5, 0.5), **geometry)
    widget = make_widget()
    widget.image.value = viewer.layers["one"]
    widget.z_size.value = 2.0
    widget.run()
    assert widget.wait(20)
    assert widget.segmentation.z_size == 2
    widget.image.value = two
    widget.run()
    assert widget.wait(20)
    assert widget.segmentation.z_size == 3


def test_a_z_step_without_a_pixel_size_is_not_passed_over(viewer, make_widget, blobs, network):
    viewer.add_image(np.stack([blobs] * 3), name="stack")
    widget = make_widget()
    widget.axes.value = "ZYX"
    widget.z_size.value = 2.0
    widget.run()
    assert "pixel size" in widget.status.value
    assert not network.runs
    widget.pixel_size.value = 0.5
    widget.run()
    assert widget.wait(20)
    assert widget.segmentation.z_size == 2
