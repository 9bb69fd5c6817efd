"""Comparison with a real stain: matched by name, where both lie, in a view of its own."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.zoo.card import Metric

UM = {"scale": (0.5, 0.5), "units": ("µm", "µm")}
DIFFERENCE = "AGP difference · virtual − plate 3 agp"


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", **UM)


@pytest.fixture
def ran(cells, make_stain_widget):
    widget = make_stain_widget()
    widget.samples.value = 2
    widget.run()
    assert widget.wait(20)
    return widget


def visible(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def compare(widget, layer):
    widget.compare_with.value = layer
    assert widget.wait(20)


def test_the_stain_is_matched_by_name_and_the_view_undone_when_closed(viewer, ran, cells):
    before = visible(viewer)
    real = viewer.add_image(cells.data + 1, name="plate 3 agp", visible=False, **UM)
    compare(ran, real)
    assert ran.compare_as.value == "AGP"
    assert ran.agreement.value.startswith("AGP: PCC 1.000")
    assert "orange is too bright, blue too dim" in ran.agreement.value
    assert "On its test images" not in ran.agreement.value  # its card has no figures
    assert visible(viewer) == {DIFFERENCE}
    layer = viewer.layers[DIFFERENCE]
    low, high = layer.contrast_limits
    assert low == -high
    np.testing.assert_allclose(layer.colormap.map(np.array([0.5]))[0, :3], 0, atol=0.02)
    ran.unfold("Compare with a real stain")
    ran.unfold("Second opinion of another model")  # closes the other one
    assert visible(viewer) == before
    ran.unfold("Compare with a real stain")
    assert visible(viewer) == {DIFFERENCE}
    compare(ran, None)
    assert DIFFERENCE not in viewer.layers
    assert visible(viewer) == before
    assert ran.ticks.stains["DNA"].value


def test_the_models_figure_is_quoted_and_models_with_one_of_its_stains_offered(
    viewer, cells, make_stain_widget, stainer, knowing_card
):
    metric = Metric(name="AGP: PCC", value=0.88, dataset="fields", command="evaluate")
    stainer.card = knowing_card().model_copy(update={"metrics": [metric]})
    widget = make_stain_widget()
    widget.run()
    assert widget.wait(20)
    compare(widget, viewer.add_image(cells.data + 1, name="AGP", visible=False, **UM))
    assert "this model reached a PCC of 0.88 for AGP" in widget.agreement.value
    assert "u2os-brightfield-unet" in widget.other_model.choices
    assert "phantom-phase-unet" not in widget.other_model.choices  # has no stain in common


def test_a_deleted_difference_shows_the_stains_again(viewer, ran, cells):
    before = visible(viewer)
    real = viewer.add_image(cells.data + 1, name="plate 3 agp", visible=False, **UM)
    compare(ran, real)
    viewer.layers.remove(DIFFERENCE)
    assert visible(viewer) == before


def test_a_channel_of_that_name_is_compared(viewer, ran, cells):
    stack = np.stack([cells.data * 0 + np.eye(64), cells.data + 1])
    real = viewer.add_image(stack, name="stained", metadata={"channel_names": ["Mito", "AGP"]})
    compare(ran, real)
    assert ran.compare_as.value == "AGP"
    assert ran.agreement.value.startswith("AGP: PCC 1.000")
    ran.compare_as.value = "DNA"
    assert ran.wait(20)
    assert "has the channels Mito, AGP: none of them is DNA" in ran.agreement.value


def test_it_says_where_the_two_were_compared_or_why_not(viewer, ran, cells):
    part = viewer.add_image(cells.data[:32], name="AGP", visible=False, **UM)
    compare(ran, part)
    assert "on the 50 % of the field where both lie" in ran.agreement.value
    difference = viewer.layers["AGP difference · virtual − AGP"]
    np.testing.assert_allclose(difference.extent.world, part.extent.world)
    part.translate = (900, 0)
    compare(ran, None)
    compare(ran, part)
    assert ran.agreement.value.startswith("⚠ The real image lies elsewhere")
    assert visible(viewer) == {"DNA · virtual · cells"}


def test_objects_are_compared_where_the_real_image_lies(viewer, ran, cells):
    labels = np.zeros((64, 64), np.int32)
    labels[5:15, 5:15], labels[50:60, 5:15] = 1, 2
    viewer.add_labels(labels, name="objects", **UM)
    part = viewer.add_image(cells.data[:32] + 1, name="AGP", visible=False, **UM)
    ran.compare_cells.value = viewer.layers["objects"]
    compare(ran, part)
    assert list(ran._panel.table["label"]) == [1]
    np.testing.assert_allclose(ran._panel.table["real"], 1.9, rtol=1e-5)
