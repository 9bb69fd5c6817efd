"""Of a large image, what is in view is there first, where it belongs, until the whole is."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment.task import segment as segment_whole
from napari_cytosynth.widgets.common import in_view
from napari_cytosynth.widgets.common.in_view import FieldRequest
from napari_cytosynth.widgets.segment.field import preview_field


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(in_view, "LARGE", 100 * 100)
    monkeypatch.setattr(in_view, "SIDE", 48)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((256, 320)).astype(np.float32)


@pytest.fixture
def widget(viewer, dock, make_model, image):
    """A Segment widget with a network of random weights, which waits before the whole image."""
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer.add_image(image, name="large")
    made = SegmentWidget(viewer)
    dock(made, "Segment")
    model = make_model(splitting=None, threshold=0.5)

    class Kept:
        def load(self, *_arguments, **_options):
            return model

    made._kept = Kept()
    made.model.value = "some/model"
    return made


@pytest.mark.parametrize("ends", ["done", "cancelled"])
def test_a_provisional_layer_goes_when_the_run_ends(viewer, widget, monkeypatch, qtbot, ends):
    from napari_cytosynth.tasks.segment import task

    reached, gate, run = threading.Event(), threading.Event(), task.segment

    def segment(image, model, progress, **options):
        reached.set()
        while not gate.wait(0.02):
            progress(0, 1, "held")
        return run(image, model, progress=progress, **options)

    monkeypatch.setattr(task, "segment", segment)
    widget.run()
    qtbot.waitUntil(lambda: any("provisional" in one.name for one in viewer.layers), timeout=60000)
    assert reached.wait(10)
    (provisional,) = [one for one in viewer.layers if "provisional" in one.name]
    assert provisional.data.shape[1] <= 48
    assert widget.image.value.name == "large"
    if ends == "cancelled":
        widget.cancel()
    gate.set()
    assert widget.wait(60)
    assert not any("provisional" in one.name for one in viewer.layers)
    assert len(viewer.layers) == (1 if ends == "cancelled" else 3)


def test_what_blocks_cannot_do_has_no_preview(widget, make_model, image):
    """The run itself does it, or says what is wrong."""
    shown = []
    field = FieldRequest(slice(0, 32), slice(0, 32), shown.append)
    request = widget._request()
    preview_field(request, field, make_model(splitting=None, threshold=0.5), silent, segment_whole)
    assert len(shown) == 1
    local = make_model(splitting=None, threshold=0.5)
    normalisation = local.card.inference.normalisation.model_copy(update={"kind": "local"})
    inference = local.card.inference.model_copy(update={"normalisation": normalisation})
    object.__setattr__(local.card, "inference", inference)
    preview_field(request, field, local, silent, segment_whole)
    assert len(shown) == 1


def test_of_a_stack_the_plane_in_view_comes_first(viewer, widget, make_model, image):
    """Its objects are those of that plane alone, none of them too small: the stack goes on."""
    stack = np.stack([image, image.T[:256].repeat(2, 1)[:, :320], image[::-1]])
    layer = viewer.add_image(stack, name="stack")
    widget.image.value, widget.axes.value = layer, "ZYX"
    viewer.dims.set_current_step(0, 1)
    request = widget._request()
    field, shown = widget._field.begin(layer, request.axes), []
    field = FieldRequest(field.rows, field.columns, shown.extend, field.plane)
    model = make_model(splitting=None, threshold=0.5)
    preview_field(request, field, model, silent, segment_whole)
    ((labels, _, kind),) = shown
    expected = segment_whole(stack[1], model, axes="YX", min_size=0, progress=silent).labels
    assert kind == "labels"
    np.testing.assert_array_equal(labels > 0, expected > 0)
    assert labels.any()
