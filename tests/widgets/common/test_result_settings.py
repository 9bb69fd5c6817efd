"""“Save settings…” and “Apply to files…” of Segment and Stain."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QFileDialog

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main
from napari_cytosynth.widgets.batch.widget import BatchWidget
from napari_cytosynth.widgets.common.result_settings import ResultSettings, settings_in
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.widgets.stain.widget import StainWidget
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def segmented(viewer, make_widget, blobs):
    """A Segment widget with a result at another threshold than that of its run."""
    viewer.add_image(blobs, name="cells", scale=(0.5, 0.5), units=("um", "um"))
    widget = make_widget()
    widget.run()
    assert widget.wait(30)
    widget.threshold.value = 0.2
    assert widget.wait(30)
    return widget


def buttons(widget):
    return list(widget._for_files)


def test_there_is_nothing_to_save_before_a_run(make_widget, make_stain_widget, tmp_path):
    for widget in (make_widget(), make_stain_widget()):
        assert not any(button.enabled for button in buttons(widget))
        widget.save_settings(tmp_path / "s.yaml")
        assert "press Run first" in widget.status.value
        assert widget.apply_to_files() is None
        assert not (tmp_path / "s.yaml").exists()


def test_settings_are_saved_as_the_result_has_them_now(segmented, tmp_path, monkeypatch):
    assert all(button.enabled for button in buttons(segmented))
    path = str(tmp_path / "mine")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    buttons(segmented)[0].native.click()
    saved = cytosynth.load_settings(tmp_path / "mine.yaml")
    assert (saved.task, saved.model) == ("segment", "fake/model")
    assert saved.parameters["threshold"] == 0.2
    assert "Saved" in segmented.status.value
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    segmented.save_settings()  # the dialog was closed
    assert "region" not in segmented.status.value
    (tmp_path / "file").write_text("x")
    segmented.save_settings(tmp_path / "file" / "s.yaml")
    assert segmented.status.value.startswith("⚠")


def test_settings_go_when_the_result_does(segmented, viewer):
    viewer.layers.clear()
    assert not any(button.enabled for button in buttons(segmented))


def test_settings_are_handed_to_batch(segmented, viewer, monkeypatch):
    docked = []

    def add(plugin, name, tabify):
        if not docked:
            docked.append(BatchWidget(viewer))
            viewer.window.add_dock_widget(docked[0], name=name)
        return None, docked[0]

    monkeypatch.setattr(viewer.window, "add_plugin_dock_widget", add)
    batch = segmented.apply_to_files()
    assert batch.settings.parameters["threshold"] == 0.2
    assert batch._about.value.startswith("Segment: segment")
    assert batch._status.value == ""
    segmented.threshold.value = 0.5
    assert segmented.wait(30)
    buttons(segmented)[1].native.click()
    assert batch.settings.parameters["threshold"] == 0.5
    assert len(docked) == 1


def delete(widget):
    """Delete a widget at once; not every napari collects garbage after a test."""
    widget.native.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def test_settings_are_found_in_the_same_viewer_alone(viewer, make_napari_viewer, make_widget):
    """napari gives each widget of a plugin a wrapper of its own around the viewer."""
    from napari.utils._proxies import PublicOnlyProxy

    widget = SegmentWidget(PublicOnlyProxy(viewer))
    assert settings_in(PublicOnlyProxy(viewer), "Segment") is widget._for_files
    assert settings_in(viewer, "Segment") is widget._for_files
    assert settings_in(viewer, "Stain") is None
    assert settings_in(make_napari_viewer(), "Segment") is None
    delete(widget)


def test_a_widget_that_was_deleted_is_not_open(viewer, make_widget):
    closed = make_widget()
    assert settings_in(viewer, "Segment") is closed._for_files
    viewer.window.remove_dock_widget(closed.native)
    delete(closed)
    assert settings_in(viewer, "Segment") is None
    again = SegmentWidget(viewer)
    assert settings_in(viewer, "Segment") is again._for_files
    delete(again)


def test_a_region_is_said_to_be_left_out(viewer, tmp_path):
    record = {"task": "segment", "model": {"source": "fake/model"}}
    record["parameters"] = {"threshold": 0.2, "region": {"name": "part", "shapes": []}}
    said = []
    settings = ResultSettings(viewer, "Segment", lambda: record, said.append)
    settings.save(tmp_path / "s.yaml")
    assert "The region of this result is not among the settings" in said[0]
    batch = BatchWidget(viewer)
    batch.take_from("Segment")
    assert "The region of this result is not" in batch._status.value
    cytosynth.save_settings(record, tmp_path / "own.yaml")
    assert "# The region of this result" in (tmp_path / "own.yaml").read_text()
    assert "region" not in cytosynth.load_settings(tmp_path / "own.yaml").parameters


@pytest.mark.slow
@pytest.mark.parametrize("plane", [False, True])
def test_the_yaml_of_segment_gives_equal_results(viewer, dock, tiny_model, tmp_path, plane):
    """By ``cytosynth run``, on the image that the layer showed."""
    model = save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)
    stack = np.random.default_rng(0).random((3, 40, 48)).astype(np.float32)
    np.save(tmp_path / "a.npy", stack)
    viewer.add_image(stack, name="a", axis_labels=("t", "y", "x"))
    widget = SegmentWidget(viewer)
    dock(widget, "Segment")
    widget.model.value = str(model)
    widget.axes.value = "TYX"
    widget.planes.value = "current plane" if plane else "whole stack"
    widget.run()
    assert widget.wait(120)
    widget.threshold.value, widget.min_size.value = 0.45, 4
    widget.drop_border.value = True
    assert widget.wait(60)
    widget.save_settings(tmp_path / "s.yaml")
    line = [str(tmp_path / "s.yaml"), str(tmp_path / "a.npy"), "--out", str(tmp_path / "out")]
    assert main(["run", *line]) == 0
    labels = tifffile.imread(tmp_path / "out" / "a-labels.tif")
    np.testing.assert_array_equal(labels.squeeze(), widget.segmentation.labels.squeeze())
    probability = tifffile.imread(tmp_path / "out" / "a-probability.tif")
    np.testing.assert_array_equal(probability.squeeze(), widget.segmentation.probability.squeeze())


@pytest.mark.slow
def test_the_yaml_of_stain_gives_equal_results(viewer, dock, tiny_stainer, tmp_path):
    model = save_model(tmp_path / "tiny", tiny_stainer.network, tiny_stainer.card)
    image = np.random.default_rng(0).random((40, 48)).astype(np.float32)
    np.save(tmp_path / "a.npy", image)
    viewer.add_image(image, name="a")
    widget = StainWidget(viewer)
    dock(widget, "Stain")
    widget.model.value = str(model)
    widget.samples.value, widget.seed.value = 3, 11
    widget.run()
    assert widget.wait(120)
    widget.save_settings(tmp_path / "s.yaml")
    line = [str(tmp_path / "s.yaml"), str(tmp_path / "a.npy"), "--out", str(tmp_path / "out")]
    assert main(["run", *line]) == 0
    mean = tifffile.imread(tmp_path / "out" / "a-mean.tif")
    np.testing.assert_array_equal(mean, widget.staining.mean)
    std = tifffile.imread(tmp_path / "out" / "a-std.tif")
    np.testing.assert_array_equal(std, widget.staining.std)
