"""The doubt of nuclei, a column wherever the stain that they are in is segmented or measured."""

from __future__ import annotations

import numpy as np
import pytest

DNA = "DNA · virtual · cells"


def features_of(viewer, start):
    return next(layer.features for layer in viewer.layers if layer.name.startswith(start))


@pytest.fixture
def stain(viewer, found, blobs):
    """The layer of the virtual DNA, whose nuclei were found, as dark as the stand-in wants it."""
    layer = viewer.layers[DNA]
    layer.data = blobs.copy()
    return layer


def test_a_segmented_stain_has_the_doubt_of_its_nuclei(viewer, stain, make_widget):
    widget = make_widget()
    widget.image.value = stain
    widget.run()
    assert widget.wait(20)
    assert list(features_of(viewer, "blobs")["doubt"]) == pytest.approx([0.9, 0.2])
    widget.threshold.value = 0.2
    assert widget.wait(20)
    assert list(features_of(viewer, "blobs")["doubt"]) == pytest.approx([0.9, 0.2, 0.6])
    widget.threshold.value = 0.01  # all of the image is one object, and no nucleus
    assert widget.wait(20)
    assert np.isnan(features_of(viewer, "blobs")["doubt"]).tolist() == [True]


def test_other_stains_and_images_have_no_such_column(viewer, found, make_widget, cells):
    widget = make_widget()
    for image in (viewer.layers[DNA.replace("DNA", "AGP")], cells):
        widget.image.value = image
        widget.run()
        assert widget.wait(20)
        assert len(widget.segmentation.table) > 0
        assert all("doubt" not in layer.features for layer in viewer.layers if _is_result(layer))


def _is_result(layer):
    return layer._type_string == "labels" and layer.name.startswith("blobs")


def test_nuclei_of_unknown_doubt_add_no_column(viewer, cells, run, knowing_card, find, make_widget):
    find(run(card=knowing_card(doubt=False)))
    widget = make_widget()
    widget.image.value = viewer.layers[DNA]
    widget.run()
    assert widget.wait(20)
    assert "doubt" not in features_of(viewer, "blobs")


def test_nuclei_of_another_shape_are_said_not_to_fit(viewer, found, make_widget):
    nuclei = next(layer for layer in viewer.layers if "nuclei" in layer.name)
    nuclei.data = nuclei.data[..., :-4]
    widget = make_widget()
    widget.image.value = viewer.layers[DNA]
    widget.run()
    assert widget.wait(20)
    assert "gave no doubt" in widget.status.value
    assert "doubt" not in features_of(viewer, "blobs")


def test_own_labels_measured_in_the_stain_have_it_too(viewer, found, dock):
    from napari_cytosynth.widgets.measure import MeasureWidget

    nuclei = next(layer for layer in viewer.layers if "nuclei" in layer.name)
    own = viewer.add_labels(np.where(nuclei.data > 0, nuclei.data + 10, 0), name="mine")
    measure = MeasureWidget(viewer)
    dock(measure, "Measure")
    measure.objects.value = own
    measure.run()
    assert measure.wait(20)
    assert "doubt" not in own.features  # it was not measured in the stain
    measure.intensity.value = viewer.layers[DNA]
    measure.run()
    assert measure.wait(20)
    assert list(own.features["doubt"]) == pytest.approx([0.9, 0.2, 0.6])
