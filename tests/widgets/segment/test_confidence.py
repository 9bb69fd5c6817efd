"""The slider that hides doubtful objects: live, and the same as the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.common.messages import Message
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, ObjectFacts
from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.segment.result_check import TrainingFacts
from napari_cytosynth.tasks.segment.tree import ranks
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm, Expected

ERRORS = np.array([0.0, 0.1, 0.6, 0.9])  # confidences of 0.99, 0.98, 0.27 and 0.02
CALIBRATION = Confidence(intercept=0.0, flow_error=ConfidenceTerm(weight=-1.0, mean=0.5, std=0.1))

RECORD = {
    "task": "segment",
    "version": "0",
    "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
    "source": {"layer": "squares", "path": None, "shape": [40, 40], "dtype": "int32"},
    "parameters": {},
}


@pytest.fixture
def image():
    """Four squares, side by side; each has an owner."""
    owner = np.zeros((40, 40), np.int32)
    for number, (y, x) in enumerate([(4, 4), (4, 22), (22, 4), (22, 22)], start=1):
        owner[y : y + 14, x : x + 14] = number
    return owner


@pytest.fixture
def segment():
    """Return a function in place of the network; the image's pixels are the owners."""

    def run(image, model, *, axes, planes, threshold, min_confidence, link_planes, **options):
        owner = np.asarray(image.data, np.int32)
        axes = {2: "YX", 3: axes}[owner.ndim]
        calibration = CALIBRATION if model in ("sure/model", "odd/model") else None
        probability = np.where(owner > 0, 0.9, 0.01).astype(np.float32)
        heights = np.zeros(owner.shape, np.uint16)
        owned = OwnedPlanes(owner, heights, axes, FlowSettings(0.5, 10), calibration)
        heights[:] = np.where(owner > 0, ranks(probability, owned.levels), 0)
        for plane in np.ndindex(owner.shape[:-2]):
            areas = np.bincount(owner[plane].ravel())[1:]
            count = len(areas)
            owned.facts[plane] = ObjectFacts(areas, np.full(count, 0.9), ERRORS[:count])
        return Segmentation(
            probability,
            axes,
            LabelOptions(
                0.5, split_touching=True, min_confidence=min_confidence, link_planes=link_planes
            ),
            owned=owned,
            source=read_source(image),
            source_axes=axes,
            base_provenance=RECORD,
            training=TrainingFacts(unlike="This is odd." if model == "odd/model" else ""),
            messages=[Message("This is odd.", "unlike training")] if model == "odd/model" else [],
        )

    return run


@pytest.fixture
def start(viewer, dock, segment):
    """Return a function that runs the widget on an image."""

    def run(image, model="sure/model", axes=None):
        viewer.add_image(image, name="squares")
        widget = SegmentWidget(viewer, segment, lambda *_: [])
        dock(widget, "Segment")
        widget.model.value = model
        if axes:
            widget.axes.value = axes
        widget.run()
        assert widget.wait(60)
        return widget

    return run


def labels_of(viewer):
    return next(layer for layer in viewer.layers if layer._type_string == "labels")


def test_doubtful_objects_go_while_the_slider_is_dragged(start, viewer, image):
    widget = start(image)
    panel = widget._panel.confidence
    assert not panel.native.isHidden()
    assert widget.readout.value.startswith("4 objects, 2 of them doubtful · ")
    panel.slider.track.setValue(panel.slider.track.maximum() // 2)
    assert widget.min_confidence.value == 0.5
    np.testing.assert_array_equal(labels_of(viewer).data > 0, (image == 1) | (image == 2))
    dragged = widget.readout.value
    assert dragged.startswith("2 objects · 2 doubtful hidden · ")
    assert widget.wait(60)
    assert widget.readout.value == dragged
    assert len(labels_of(viewer).features) == 2
    assert "min_confidence=0.5," in widget.as_python()
    panel.slider.reset.emit()
    assert widget.min_confidence.value == 0
    assert widget.wait(60)
    assert widget.readout.value.startswith("4 objects, 2 of them doubtful · ")
    assert "min_confidence" not in widget.as_python()


def test_in_an_image_unlike_the_training_no_number_of_doubtful_objects_is_given(start, image):
    widget = start(image, "odd/model")
    unknown = "4 objects, confidence unknown: the image is unlike the training · "
    assert widget.readout.value.startswith(unknown)
    assert "⚠ 4 objects, of unknown confidence in an image unlike" in widget.status.value
    assert "This is odd." not in widget.status.value  # it stands above the button
    slider = widget._panel.confidence.slider
    slider.track.setValue(slider.track.maximum() // 2)
    hidden = "2 objects · 2 doubtful hidden by a confidence that is unsure here · "
    assert widget.readout.value.startswith(hidden)
    assert widget.wait(60)
    assert widget.readout.value.startswith(hidden)


def test_where_confidences_are_unknown_there_is_no_such_slider(start, image):
    widget = start(image, "other/model")
    assert widget._panel.confidence.native.isHidden()
    assert widget.readout.value.startswith("4 objects · ")


def test_without_splitting_the_slider_goes_and_comes_again(start, image):
    widget = start(image)
    widget.min_confidence.value = 0.5
    widget.split_touching.value = False
    assert widget.wait(60)
    assert widget._panel.confidence.native.isHidden()
    assert widget.readout.value.startswith("4 objects · ")
    widget.split_touching.value = True
    assert widget.wait(60)
    assert not widget._panel.confidence.native.isHidden()
    assert widget.readout.value.startswith("2 objects · 2 doubtful hidden")


def test_another_run_keeps_the_choice_and_another_model_does_not(start, image):
    widget = start(image)
    widget.min_confidence.value = 0.5
    widget.run()
    assert widget.wait(60)
    assert widget.readout.value.startswith("2 objects · 2 doubtful hidden")
    widget.model.value = "other/model"
    widget.run()
    assert widget.wait(60)
    assert widget.segmentation.options.min_confidence == 0
    assert widget.min_confidence.value == 0


@pytest.mark.parametrize("hide_below", [0.0, 0.5])
def test_hiding_doubtful_objects_does_not_silence_the_doubt(
    viewer, dock, segment, image, hide_below
):
    known = TrainingFacts(expected=Expected(confidence=(0.9, 0.95, 0.99)))

    def run_network(image, model, **options):
        return replace(segment(image, model, **options), training=known)

    widget = SegmentWidget(viewer, run_network, lambda *_: [])
    dock(widget, "Segment")
    widget.model.value = "sure/model"
    for name, owners, doubted in (("all", image, True), ("sure", image * (image < 3), False)):
        widget.image.value = viewer.add_image(owners, name=name)
        widget.min_confidence.value = hide_below
        widget.run()
        assert widget.wait(60)
        assert len(labels_of(viewer).features) == (4 if doubted and not hide_below else 2)
        assert ("less sure of than usual" in widget.status.value) is doubted
        widget.min_confidence.value = 0.6  # later, too
        assert widget.wait(60)
        assert ("less sure of than usual" in widget.status.value) is doubted
        viewer.layers.clear()


def test_in_a_stack_whole_objects_go_and_both_counts_follow(start, viewer, image):
    stack = np.stack([image, np.where(image == 4, 0, image)])
    widget = start(stack, axes="ZYX")
    viewer.dims.set_current_step(0, 1)
    assert "3 in this plane · 4 in the stack, 2 of them doubtful" in widget.readout.value
    widget.min_confidence.value = 0.1
    live = widget.readout.value
    assert live.startswith("3 in this plane · 3 in the stack · 1 doubtful hidden")
    widget.min_confidence.value = 0.5
    assert "2 in this plane · 2 in the stack · 2 doubtful hidden" in widget.readout.value
    assert widget.wait(60)
    assert "2 in this plane · 2 in the stack · 2 doubtful hidden" in widget.readout.value
    assert len(labels_of(viewer).features) == 2
    widget.threshold.value = 0.3  # below the model's threshold
    assert set(np.unique(labels_of(viewer).data[1])) == {0, 1, 2}
    assert widget.wait(60)
    assert "2 in the stack · 2 doubtful hidden" in widget.readout.value


def test_below_the_models_threshold_the_doubts_of_a_stack_are_counted_too(start, image):
    widget = start(np.stack([image, image]), axes="ZYX")
    widget._settle.setInterval(60_000)  # still dragging
    widget.threshold.value = 0.3
    assert widget._counts.wait(60)
    assert "4 in the stack, 2 of them doubtful" in widget.readout.value
    widget.min_confidence.value = 0.5
    assert widget._counts.wait(60)
    assert "2 in the stack · 2 doubtful hidden" in widget.readout.value


def test_the_tooltip_of_splitting_is_true_for_the_model(start, image, make_widget, blobs, viewer):
    widget = start(image)
    assert "also while you drag" in widget.split_touching.tooltip
    viewer.add_image(blobs)
    other = make_widget()
    assert "drag" not in other.split_touching.tooltip  # the model is not known yet
    other.run()
    assert other.wait(60)
    assert "stay joined" in other.split_touching.tooltip
