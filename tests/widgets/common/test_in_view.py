"""Of a large image, what is in view is shown first, where it belongs, until the whole is there."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.common import in_view
from napari_cytosynth.widgets.common.canvas import camera_of
from napari_cytosynth.widgets.common.in_view import FieldLayers


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(in_view, "LARGE", 100 * 100)
    monkeypatch.setattr(in_view, "SIDE", 48)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((256, 320)).astype(np.float32)


@pytest.mark.parametrize("levels", [1, 3])
def test_the_middle_of_the_view_is_the_field(viewer, image, levels):
    data = [image[:: 2**n, :: 2**n] for n in range(levels)]
    given = {"scale": (0.5, 0.25), "translate": (7, 3), "rotate": 20}
    layer = viewer.add_image(data if levels > 1 else image, **given)
    camera_of(viewer).center = layer.data_to_world((160, 200))
    shown = FieldLayers(viewer)
    field = shown.begin(layer, "YX")
    assert (field.rows, field.columns) == (slice(136, 184), slice(176, 224))
    assert field.plane is None
    before = set(viewer.layers.selection)
    field.show([(np.ones((48, 48), np.int32), {"opacity": 0.5}, "labels")])
    shown.update()
    assert set(viewer.layers.selection) == before
    (part,) = shown.layers
    np.testing.assert_allclose(
        part.data_to_world((2, 5)),
        layer.data_to_world((field.rows.start + 2, field.columns.start + 5)),
    )
    assert "provisional" in part.name
    shown.end()
    assert list(viewer.layers) == [layer]


def test_of_a_stack_the_plane_in_view_is_shown_there_alone(viewer, image):
    given = {"scale": (2, 0.5, 0.5), "translate": (4, 7, 3)}
    layer = viewer.add_image(np.stack([image] * 3), **given)
    viewer.dims.set_current_step(0, 2)
    shown = FieldLayers(viewer)
    field = shown.begin(layer, "ZYX")
    assert (field.plane, field.rows, field.columns) == ((2,), slice(0, 256), slice(0, 320))
    field.show([(image, {"name": "DNA"}, "image")])
    shown.update()
    (part,) = shown.layers
    assert part.name.startswith("DNA · ")
    np.testing.assert_allclose(part.data_to_world((0, 2, 5)), layer.data_to_world((2, 2, 5)))
    assert part.data.shape == (1, *image.shape)


def test_small_images_and_volumes_have_no_field(viewer, image):
    shown = FieldLayers(viewer)
    assert shown.begin(viewer.add_image(image[:64, :64]), "YX") is None
    assert shown.begin(viewer.add_image(np.stack([image[:16, :16]] * 3)), "ZYX") is None
    assert shown.begin(viewer.add_image(np.stack([image] * 3)), "CYX") is None
    layer = viewer.add_image(image)
    assert shown.begin(layer, "YX") is not None
    viewer.dims.ndisplay = 3
    assert shown.begin(layer, "YX") is None
