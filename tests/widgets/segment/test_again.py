"""What another run does to the layers of the one before."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest


def names(viewer):
    return [layer.name for layer in viewer.layers]


@pytest.fixture
def ran(viewer, make_widget, blobs):
    """A widget after one run on the two-and-a-half blobs."""
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    again(widget)
    return widget


def again(widget, image=None):
    if image is not None:
        widget.image.value = image
    widget.run()
    assert widget.wait(30)
    assert widget.status.value.startswith("Done"), widget.status.value


def test_another_run_updates_the_layers_and_leaves_their_looks(viewer, ran, blobs):
    image, probability, labels = viewer.layers
    probability.colormap, probability.visible, probability.opacity = "viridis", True, 0.3
    labels.contour, labels.visible, labels.opacity = 3, False, 0.4
    image.data = np.flipud(blobs).copy()
    ran.threshold.value = 0.2
    again(ran)
    assert list(viewer.layers) == [image, probability, labels]
    np.testing.assert_array_equal(probability.data, image.data)
    assert labels.data.max() == len(labels.features) == 3
    assert (probability.colormap.name, probability.visible, probability.opacity) == (
        "viridis",
        True,
        0.3,
    )
    assert (labels.contour, labels.visible, labels.opacity) == (3, False, 0.4)
    assert labels.metadata["napari-cytosynth"]["parameters"]["threshold"] == 0.2
    ran.threshold.value = 0.5
    ran.wait(20)
    assert labels.data.max() == 2  # the slider works on the new result


def test_the_layers_follow_the_image_to_another_place_and_name(viewer, ran):
    image, probability, labels = viewer.layers
    image.scale, image.name = (2, 3), "renamed"
    labels.name = "my own name"
    again(ran)
    assert names(viewer) == ["renamed", "probability – renamed", "my own name"]
    for layer in (probability, labels):
        np.testing.assert_allclose(layer.extent.world, image.extent.world)


def test_edited_labels_are_kept_and_said_to_be(viewer, ran):
    labels = viewer.layers["blobs – cells"]
    labels.paint((60, 60), 9)
    before = labels.data.copy()
    again(ran)
    np.testing.assert_array_equal(labels.data, before)
    assert names(viewer) == ["cells", "probability – cells", "blobs – cells", "blobs – cells [1]"]
    assert "edited are kept" in ran.status.value
    again(ran)
    assert len(viewer.layers) == 4
    assert "edited" not in ran.status.value
    np.testing.assert_array_equal(labels.data, before)


def test_labels_that_another_tool_wrote_are_kept(viewer, ran):
    labels = viewer.layers["blobs – cells"]
    labels.data = np.ones_like(labels.data)
    again(ran)
    assert (labels.data == 1).all()
    ran.threshold.value = 0.2
    ran.wait(20)
    assert (labels.data == 1).all()
    assert viewer.layers[-1].data.max() == 3


def test_deleted_layers_come_again_and_the_other_is_updated(viewer, ran):
    _, probability, labels = viewer.layers
    viewer.layers.remove(labels)
    again(ran)
    assert names(viewer) == ["cells", "probability – cells", "blobs – cells"]
    assert viewer.layers[1] is probability
    viewer.layers.remove(probability)
    again(ran)
    assert sorted(names(viewer)) == ["blobs – cells", "cells", "probability – cells"]
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    again(ran)
    assert names(viewer) == ["cells", "probability – cells", "blobs – cells"]


def test_each_image_and_each_plane_has_layers_of_its_own(viewer, ran, blobs):
    first = list(viewer.layers)
    other = viewer.add_image(np.stack([blobs, blobs]), name="stack")
    again(ran, other)
    assert len(viewer.layers) == 6
    ran.planes.value = "current plane"
    viewer.dims.set_current_step(0, 1)
    again(ran)
    viewer.dims.set_current_step(0, 0)
    again(ran)
    assert len(viewer.layers) == 10
    again(ran)
    again(ran, first[0])  # its own layers are found again
    assert len(viewer.layers) == 10
    assert ran._live.labels_layer is first[2]


def test_an_image_of_another_size_gets_new_layers(viewer, ran, blobs):
    viewer.layers[0].data = blobs[:40, :40].copy()
    again(ran)
    assert len(viewer.layers) == 5
    assert viewer.layers[-1].data.shape == (40, 40)


def test_the_image_may_be_deleted_between_runs(viewer, ran, blobs):
    viewer.layers.remove("cells")
    assert ran.segmentation is not None
    again(ran, viewer.add_image(blobs, name="cells"))
    assert len(viewer.layers) == 5  # another layer, whatever its name is


def test_two_viewers_do_not_share_results(viewer, ran, make_napari_viewer, network, blobs):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    second = make_napari_viewer()
    second.add_image(blobs, name="cells")
    widget = SegmentWidget(second, network.segment)
    second.window.add_dock_widget(widget, name="Segment")
    widget.model.value = "fake/model"
    again(widget)
    again(ran)
    assert len(viewer.layers) == len(second.layers) == 3


def test_replaced_results_leave_the_memory(viewer, ran):
    ghosts = []
    for _ in range(3):
        ghosts.append(weakref.ref(ran.segmentation))
        again(ran)
    gc.collect()
    assert [ghost() for ghost in ghosts] == [None] * 3
