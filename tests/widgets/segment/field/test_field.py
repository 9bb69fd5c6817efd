"""Of a large image, what is in view is there first, where it belongs, until the whole is."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_cytosynth.widgets.common.canvas import camera_of
from napari_cytosynth.widgets.segment.field import FieldLayer, FieldRequest, preview_field
from napari_cytosynth.widgets.segment.field import layer as layer_module


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(layer_module, "LARGE", 100 * 100)
    monkeypatch.setattr(layer_module, "SIDE", 48)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((256, 320)).astype(np.float32)


@pytest.mark.parametrize("levels", [1, 3])
def test_the_middle_of_the_view_is_the_field(viewer, image, levels):
    data = [image[:: 2**n, :: 2**n] for n in range(levels)]
    given = {"scale": (0.5, 0.25), "translate": (7, 3), "rotate": 20}
    layer = viewer.add_image(data if levels > 1 else image, **given)
    camera_of(viewer).center = layer.data_to_world((160, 200))
    shown = FieldLayer(viewer)
    field = shown.begin(layer, "YX")
    assert (field.rows, field.columns) == (slice(136, 184), slice(176, 224))
    before = set(viewer.layers.selection)
    field.show(np.ones((48, 48), np.int32))
    shown.update()
    assert set(viewer.layers.selection) == before
    np.testing.assert_allclose(
        shown.layer.data_to_world((2, 5)),
        layer.data_to_world((field.rows.start + 2, field.columns.start + 5)),
    )
    assert "provisional" in shown.layer.name
    shown.end()
    assert list(viewer.layers) == [layer]


def test_small_images_stacks_and_volumes_have_no_field(viewer, image):
    shown = FieldLayer(viewer)
    assert shown.begin(viewer.add_image(image[:64, :64]), "YX") is None
    assert shown.begin(viewer.add_image(np.stack([image] * 3)), "ZYX") is None
    layer = viewer.add_image(image)
    assert shown.begin(layer, "YX") is not None
    viewer.dims.ndisplay = 3
    assert shown.begin(layer, "YX") is None


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
    preview_field(request, field, make_model(splitting=None, threshold=0.5), lambda *_: None)
    assert len(shown) == 1
    local = make_model(splitting=None, threshold=0.5)
    normalisation = local.card.inference.normalisation.model_copy(update={"kind": "local"})
    inference = local.card.inference.model_copy(update={"normalisation": normalisation})
    object.__setattr__(local.card, "inference", inference)
    preview_field(request, field, local, lambda *_: None)
    assert len(shown) == 1
