"""What the objects of a segmentation are measured in: one layer or all, where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.segment.panels import ALL_IMAGES


@pytest.fixture
def widget(viewer, make_widget, blobs):
    image = viewer.add_image(blobs, name="cells")
    found = make_widget()
    found.image.value = image
    found.run()
    assert found.wait(30)
    return found


def features(viewer):
    return next(layer.features for layer in viewer.layers if layer.name.startswith("blobs"))


def test_all_images_are_measured_at_once_and_what_lies_elsewhere_is_named(viewer, widget, blobs):
    viewer.add_image(blobs * 9, name="stain")
    viewer.add_image(blobs, name="far", translate=(0, 9000))
    widget.intensity.value = ALL_IMAGES
    assert widget.wait(30)
    table = features(viewer)
    np.testing.assert_allclose(table["mean_stain_intensity"], 9 * table["mean_cells_intensity"])
    assert "mean_far_intensity" not in table
    assert "⚠ “far” was not measured in: “far” lies elsewhere" in widget.status.value


def test_one_layer_is_measured_where_it_lies(viewer, widget, blobs):
    moved = viewer.add_image(np.roll(blobs, -2, 1), name="moved", translate=(0, 2))
    widget.intensity.value = moved
    assert widget.wait(30)
    table = features(viewer)
    inside = table["mean_intensity"].notna()
    assert inside.any()
    np.testing.assert_allclose(
        table["mean_intensity"][inside], table["mean_probability"][inside], rtol=1e-5
    )
