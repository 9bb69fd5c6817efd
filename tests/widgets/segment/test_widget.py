"""What a user sees of the Segment widget, with a stand-in for the network."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common import layers


def labels_of(viewer):
    return [layer for layer in viewer.layers if layer._type_string == "labels"]


def job_threads():
    return [t for t in threading.enumerate() if t.name == "cytosynth-job"]


def test_run_adds_layers_under_the_images_name(viewer, ran):
    names = [layer.name for layer in viewer.layers]
    assert names == ["cells", "probability – cells", "blobs – cells"]
    assert labels_of(viewer)[0].data.max() == 2
    assert ran.status.value == "Done. All went well."
    assert ran.readout.value.startswith("2 objects · 4.88 % of the plane · 200 px")
    assert ran.image.choices == (viewer.layers["cells"],)  # not its own results


def test_threshold_by_value_relabels_without_running_the_network(viewer, ran, network):
    ran.threshold.value = 0.05
    assert labels_of(viewer)[0].data.max() == 3
    ran.wait(20)
    assert len(network.runs) == 1
    assert list(labels_of(viewer)[0].features["index"]) == [1, 2, 3]
    assert ran.readout.value.startswith("3 objects")


def test_a_double_click_returns_to_the_models_own_threshold(viewer, ran, qtbot):
    ran.threshold.value = 0.0125
    assert ran.threshold.value == 0.0125
    histogram = ran._panel.slider.histogram
    assert "0.5" in histogram.toolTip()
    qtbot.mouseDClick(histogram, Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    assert ran.threshold.value == 0.5
    ran.wait(20)
    assert labels_of(viewer)[0].data.max() == 2


def test_the_slider_follows_the_pointer_and_the_last_change_wins(viewer, ran):
    track = ran._panel.slider.track
    for step in range(1900, 400, -100):
        track.setValue(step)
    low = ran.threshold.value
    assert 0.01 < low < 0.05
    ran.wait(20)
    assert ran.segmentation.threshold == low
    assert labels_of(viewer)[0].data.max() == 3
    assert len(job_threads()) == 0


def test_options_are_live_too(viewer, ran):
    ran.threshold.value = 0.2
    ran.min_size.value = 101
    assert labels_of(viewer)[0].data.max() == 0
    ran.min_size.value = 0
    ran.wait(20)
    assert ran.readout.value.startswith("3 objects")


def test_the_threshold_set_before_a_run_is_used_by_it(viewer, make_widget, blobs, network):
    viewer.add_image(blobs)
    widget = make_widget()
    widget.threshold.value = 0.05
    widget.run()
    widget.wait(20)
    assert network.runs[0]["threshold"] == 0.05
    assert labels_of(viewer)[0].data.max() == 3


def test_the_whole_geometry_reaches_both_layers(viewer, make_widget, blobs):
    source = viewer.add_image(
        np.stack([blobs, blobs.T]),
        name="stack",
        scale=(2, 0.5, 0.25),
        translate=(1, 20, 30),
        rotate=10,
        units=("µm", "µm", "µm"),
        axis_labels=("z", "y", "x"),
    )
    widget = make_widget()
    widget.run()
    widget.wait(20)
    for layer in viewer.layers[1:]:
        np.testing.assert_allclose(layer.extent.world, source.extent.world)
        assert layer.units == source.units
        assert layer.axis_labels == source.axis_labels
    assert "µm³" in widget.readout.value


@pytest.mark.binding
def test_dragging_changes_the_plane_in_view_and_letting_go_the_stack(viewer, make_widget, blobs):
    def counts():
        return [len(np.unique(plane[plane > 0])) for plane in labels_of(viewer)[0].data]

    viewer.add_image(np.stack([blobs, blobs, blobs]), name="stack")
    viewer.dims.set_current_step(0, 1)
    widget = make_widget()
    assert widget._reading.value == "3 planes of 64 × 64, axes ZYX, pixel size unknown"
    widget.run()
    widget.wait(20)
    widget.threshold.value = 0.2
    assert counts() == [2, 3, 2]
    assert "of the plane" in widget.readout.value
    viewer.dims.set_current_step(0, 2)  # no tree for this plane yet
    widget.threshold.value = 0.25
    assert widget.readout.value.startswith("3 in this plane · counting … in the stack · ")
    assert np.count_nonzero(labels_of(viewer)[0].data[2]) == 300
    widget.wait(20)
    assert counts() == [3, 3, 3]
    assert [plane.max() for plane in labels_of(viewer)[0].data] == [3, 3, 3]
    assert widget.readout.value.startswith("3 in this plane · 3 in the stack · ")
    assert "of the stack" in widget.readout.value


def test_only_the_current_plane(viewer, make_widget, blobs, network):
    viewer.add_image(np.stack([blobs, blobs * 0, blobs]), name="stack")
    viewer.dims.set_current_step(0, 2)
    widget = make_widget()
    widget.planes.value = "current plane"
    widget.run()
    widget.wait(20)
    assert network.runs[0]["planes"] == (2,)
    assert labels_of(viewer)[0].data.shape == (1, 64, 64)
    widget.threshold.value = 0.2
    assert labels_of(viewer)[0].data.max() == 3


@pytest.mark.binding
def test_cancel_leaves_the_layers_and_the_widget_usable(viewer, make_widget, blobs, network, qtbot):
    viewer.add_image(blobs)
    widget = make_widget()
    network.gate.clear()
    widget._run_button.native.click()
    assert network.inside.wait(10)
    qtbot.waitUntil(lambda: widget._bar.maximum() == 200, timeout=5000)
    assert widget._run_button.text == "Cancel"
    assert widget._bar.isVisibleTo(widget.native)
    widget._run_button.native.click()
    widget.wait(20)
    assert len(viewer.layers) == 1
    assert widget._run_button.text == "Run"
    assert widget.status.value == "Stopped. Your layers are as they were."
    network.gate.set()
    widget.run()
    widget.wait(20)
    assert len(viewer.layers) == 3


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("This image is empty."), "⚠ This image is empty."),
        (RuntimeError("shapes differ"), "RuntimeError: shapes differ"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_an_error_is_a_sentence_and_the_widget_goes_on(
    viewer, make_widget, blobs, network, error, sentence
):
    viewer.add_image(blobs)
    widget = make_widget()
    network.error = error
    widget.run()
    widget.wait(20)
    assert sentence in widget.status.value
    assert len(viewer.layers) == 1
    network.error = None
    widget.run()
    assert widget._bar.isVisibleTo(widget.native)  # the progress is shown again
    widget.wait(20)
    assert len(viewer.layers) == 3


def test_run_without_an_image_or_with_wrong_axes_says_what_to_do(make_widget, viewer, blobs):
    widget = make_widget()
    widget.run()
    assert "Open an image first" in widget.status.value
    viewer.add_image(blobs)
    assert widget.image.value is viewer.layers[0]
    widget.axes.value = "TYX"
    assert "name 3 axes, but the image has 2" in widget._reading.value


def test_a_typed_pixel_size_is_used(viewer, make_widget, blobs, network):
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    assert "pixel size unknown" in widget._reading.value
    widget.pixel_size.value = 0.5
    assert "unknown" not in widget._reading.value
    widget.run()
    assert widget.wait(20)
    assert network.runs[0]["pixel_size"] == 0.5
    assert widget.readout.value.endswith("50 µm²")


def test_the_layers_own_pixel_size_is_shown_and_left_to_it(viewer, make_widget, blobs, network):
    viewer.add_image(blobs, name="cells", scale=(0.2, 0.1), units=("µm", "µm"))
    widget = make_widget()
    assert widget.pixel_size.value == 0.1
    widget.run()
    assert widget.wait(20)
    assert network.runs[0]["pixel_size"] is None
    assert widget.readout.value.endswith("4 µm²")


def test_the_file_of_a_layer_is_remembered(viewer, make_widget, tmp_path, blobs):
    from skimage.io import imsave

    from napari_cytosynth.tasks.common.layers import read_source
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

    imsave(tmp_path / "cells.tif", blobs)
    [layer] = viewer.open(tmp_path / "cells.tif", plugin="napari")
    assert read_source(LayerSnapshot.of(layer)).path == str(tmp_path / "cells.tif")


@pytest.mark.parametrize("axes", ["Z,Y,X", "z y x"])
def test_axes_may_be_typed_with_separators(viewer, make_widget, blobs, network, axes):
    viewer.add_image(np.stack([blobs * 0, blobs, blobs]), name="stack")
    viewer.dims.set_current_step(0, 2)
    widget = make_widget()
    widget.planes.value = "current plane"
    widget.axes.value = axes
    widget.run()
    assert widget.wait(20)
    assert (network.runs[0]["axes"], network.runs[0]["planes"]) == ("ZYX", (2,))
    assert widget.status.value.startswith("Done")


def test_separators_do_not_hide_the_channels(viewer, make_widget, blobs):
    viewer.add_image(np.stack([blobs, blobs]), name="pair")
    widget = make_widget()
    widget.axes.value = "C, Y, X"
    assert widget._channel.choices == (0, 1)


def test_what_a_stack_holds_is_chosen_in_words(viewer, make_widget, blobs, network):
    viewer.add_image(np.stack([blobs] * 3), name="stack")
    widget = make_widget()
    choices = [text for text, _ in layers.axes_choices(widget.image.value)]
    assert choices == ["3 z planes", "3 time points", "3 channels"]
    assert (widget.meaning.value, widget.axes.value) == ("ZYX", "ZYX")
    widget.meaning.value = "TYX"
    assert widget.axes.value == "TYX"
    assert widget._reading.value.startswith("3 planes")
    widget.axes.value = "p y x"
    assert widget.meaning.value == "PYX"
    widget.meaning.value = "CYX"
    assert widget._channel.choices == (0, 1, 2)


def test_a_short_last_axis_is_to_be_chosen(viewer, make_widget, blobs, network):
    viewer.add_image(np.stack([blobs, blobs], axis=-1), name="last")
    widget = make_widget()
    assert widget.meaning.value is None
    assert "may hold channels" in widget._reading.value
    widget.run()
    assert "Choose above" in widget.status.value
    widget.meaning.value = "YXC"
    assert widget.status.value == ""
    assert widget._reading.value.startswith("1 plane of")
    assert ("2 channels (last axis)", "YXC") in layers.axes_choices(widget.image.value)


def test_empty_axes_are_refused_before_the_run(viewer, make_widget, blobs, network):
    viewer.add_image(np.stack([blobs, blobs]), name="stack")
    widget = make_widget()
    widget.planes.value = "current plane"
    widget.axes.value = " "
    assert "for example ZYX" in widget._reading.value
    widget.run()
    assert widget.status.value.startswith("⚠ Say what the axes of the image are")
    assert not network.runs


def test_a_plane_that_does_not_fit_the_result_gives_its_first():
    from types import SimpleNamespace

    from napari_cytosynth.widgets.segment.job import seen_plane

    result = SimpleNamespace(probability=np.zeros((2, 3, 4, 4)))
    assert [seen_plane(result, index) for index in [(1, 2), (), (1,)]] == [(1, 2), (0, 0), (0, 0)]


def test_the_image_may_go_and_another_be_chosen_during_a_run(viewer, make_widget, blobs, network):
    source = viewer.add_image(blobs, name="cells")
    viewer.add_image(blobs * 0, name="other")
    widget = make_widget()
    widget.image.value = source
    network.gate.clear()
    widget.run()
    assert network.inside.wait(10)
    source.name = "renamed"
    viewer.layers.remove(source)
    widget.run()
    assert "under way" in widget.status.value
    network.gate.set()
    widget.wait(20)
    assert [layer.name for layer in viewer.layers] == [
        "other",
        "probability – cells",
        "blobs – cells",
    ]
    assert labels_of(viewer)[0].data.max() == 2


def test_closing_the_dock_during_a_run_stops_it(viewer, make_widget, blobs, network):
    viewer.add_image(blobs)
    widget = make_widget()
    network.gate.clear()
    widget.run()
    assert network.inside.wait(10)
    viewer.window.remove_dock_widget(widget.native)
    widget.wait(20)
    assert not job_threads()
    assert len(viewer.layers) == 1


def test_labels_painted_by_hand_are_never_overwritten(viewer, ran):
    edited = labels_of(viewer)[0]
    edited.paint((60, 60), 9)
    before = edited.data.copy()
    ran.threshold.value = 0.2
    ran.wait(20)
    np.testing.assert_array_equal(edited.data, before)
    assert len(labels_of(viewer)) == 2
    assert labels_of(viewer)[1].data.max() == 3


def test_deleted_results(viewer, ran):
    viewer.layers.remove(labels_of(viewer)[0])
    ran.threshold.value = 0.2
    ran.wait(20)
    assert labels_of(viewer)[0].data.max() == 3
    viewer.layers.remove("probability – cells")
    viewer.layers.remove(labels_of(viewer)[0])
    assert ran.segmentation is None
    ran.threshold.value = 0.3
    ran.wait(20)
    assert len(viewer.layers) == 1


def test_table_csv_intensity_and_script(viewer, ran, blobs, tmp_path, qapp):
    ran.intensity.value = viewer.add_image(blobs * 100, name="stain")
    ran.wait(20)
    features = labels_of(viewer)[0].features
    np.testing.assert_allclose(features["mean_intensity"], 90, rtol=1e-4)
    ran.save_csv(tmp_path / "table.csv")
    header = (tmp_path / "table.csv").read_text().splitlines()[0]
    assert header.startswith("index,label,area_px,")
    assert "mean_intensity" in header.split(",")
    ran.save_csv(tmp_path / "missing" / "table.csv")
    assert "could not be saved" in ran.status.value
    ran.copy_as_python()
    assert "threshold=0.5" in qapp.clipboard().text()


def test_nothing_leaks_in_ten_runs(viewer, make_widget):
    viewer.add_image(np.zeros((257, 263), np.float32), name="cells")
    widget = make_widget()
    ghosts = []
    for _ in range(10):
        widget.run()
        widget.wait(20)
        ghosts += [weakref.ref(layer.data) for layer in list(viewer.layers)[1:]]
        widget.threshold.value = 0.2
        widget.wait(20)
        ghosts += [weakref.ref(widget.segmentation), weakref.ref(labels_of(viewer)[0].data)]
        for layer in list(viewer.layers)[1:]:
            viewer.layers.remove(layer)
    del layer
    gc.collect()
    assert len(ghosts) == 40
    assert sum(ghost() is not None for ghost in ghosts) == 0
    assert not job_threads()
