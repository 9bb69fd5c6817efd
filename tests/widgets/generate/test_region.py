"""Synthetic images inside of a Shapes layer."""

from __future__ import annotations

import numpy as np
import pytest

TRIANGLE = np.array([[10, 20], [10, 17.5 + 10], [17.5, 20]], float)  # 16 px of 0.5 µm


@pytest.fixture
def shapes(viewer):
    viewer.add_image(np.zeros((64, 64)), units=("um", "um"))
    return viewer.add_shapes(
        [TRIANGLE], shape_type="polygon", name="part", units=("um", "um"), opacity=0.5
    )


def test_images_lie_in_the_shapes_as_they_were_at_the_start(
    viewer, make_generate_widget, shapes, fake
):
    widget = make_generate_widget()
    fake.hold_at = (0, 1)
    widget.region.value = shapes
    assert not widget.image_size.enabled
    widget.run()
    fake.held.wait(5)
    shapes.data = [TRIANGLE * 3]
    viewer.layers.remove(shapes)
    fake.gate.set()
    assert widget.wait(20)
    layer = viewer.layers["synthetic fake – DNA"]
    np.testing.assert_allclose(layer.translate, (0, 10, 20))
    np.testing.assert_allclose(layer.scale, (1, 0.5, 0.5))
    assert layer.blending == "translucent_no_depth"  # opaque would be black outside
    assert fake.runs[0]["region"].region.name == "part"
    assert widget.region.value is None
    assert widget.image_size.enabled


def test_a_region_of_another_size_is_explained(make_generate_widget, shapes, viewer):
    shapes.data = [TRIANGLE * 3]
    widget = make_generate_widget()
    widget.region.value = shapes
    widget.run()
    assert widget.wait(20)
    assert "only makes images of 16 × 16 (8 × 8 µm)" in widget.status.value
    assert len(viewer.layers) == 2


def test_neighbours_lie_beside_the_region(viewer, make_generate_widget, shapes):
    shapes.data = [np.array([[10, 20], [10, 27.5], [17.5, 27.5], [17.5, 20]])]
    widget = make_generate_widget()
    widget.region.value = shapes
    widget.run()
    assert widget.wait(20)
    widget.training_data.value = "folder"
    widget.look_up_nearest()
    assert widget.wait(20)
    beside = viewer.layers["nearest training image – DNA"]
    np.testing.assert_allclose(beside.translate[-2:], (10, 20 + (16 + 4) * 0.5))
