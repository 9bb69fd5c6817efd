"""Which model is chosen before the user chooses."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.widgets.common.model_choice import CHOOSE
from napari_cytosynth.widgets.segment.widget import SegmentWidget


@pytest.fixture
def nuclei():
    return fluorescent_nuclei((128, 128), count=8, seed=1).image


@pytest.fixture
def make(viewer, dock, network):
    """Return a function that docks a Segment widget for which no model was chosen."""

    def widget():
        made = SegmentWidget(viewer, network.segment, lambda *_: [])
        dock(made, "Segment")
        return made

    return widget


def choose_by_hand(widget, source):
    row = widget.model.choices.index(source)
    widget.model.native.setCurrentIndex(row)
    widget.model.native.activated.emit(row)


def test_the_model_goes_by_the_looks_of_the_image(viewer, make, nuclei):
    widget = make()
    assert widget.model.value == CHOOSE
    viewer.add_image(nuclei, name="nuclei")
    widget.wait(30)
    assert widget.model.value == "fluo-nuclei-unet"
    widget.image.value = viewer.add_image(data.camera(), name="camera")
    widget.wait(30)
    assert widget.model.value == CHOOSE
    assert widget.status.value.startswith("Which model?")
    widget.model.value = "em-cells-unet"
    assert widget.status.value == ""
    widget.model.value = CHOOSE
    widget.run()
    assert "Choose a model first" in widget.status.value
    widget.image.value = viewer.layers["nuclei"]
    widget.run()  # at once: the look at the image is waited for
    assert widget.wait(30)
    assert widget.model.value == "fluo-nuclei-unet"
    assert widget.status.value.startswith("Done")


@pytest.mark.parametrize("image", [data.astronaut(), np.zeros((64, 64)), np.full((9, 9), np.nan)])
def test_what_no_model_is_for_is_asked_about(viewer, make, image):
    viewer.add_image(image)
    widget = make()
    widget.wait(30)
    assert widget.model.value == CHOOSE
    assert widget.status.value.startswith("Which model?")


def test_a_choice_is_not_changed_any_more(viewer, make, nuclei):
    viewer.add_image(nuclei, name="nuclei")
    widget = make()
    widget.wait(30)
    choose_by_hand(widget, "phase-cells-unet")
    widget.image.value = viewer.add_image(nuclei.T.copy())
    widget.wait(30)
    assert widget.model.value == "phase-cells-unet"
    by_script = make()
    by_script.model.value = "em-cells-unet"
    by_script.image.value = viewer.layers["nuclei"]
    by_script.wait(30)
    assert by_script.model.value == "em-cells-unet"


def test_the_last_model_that_was_chosen_and_used_comes_first(viewer, make, nuclei):
    viewer.add_image(nuclei)
    widget = make()
    widget.wait(30)
    widget.run()
    widget.wait(30)
    assert make().model.value == CHOOSE  # it was not the user's choice
    choose_by_hand(widget, "em-cells-unet")
    assert make().model.value == CHOOSE  # it was not used
    widget.run()
    widget.wait(30)
    later = make()
    later.wait(30)
    assert later.model.value == "em-cells-unet"


@pytest.mark.parametrize("kept", ["removed-model", "/no/such/folder", CHOOSE, "\x00", 7])
def test_a_remembered_model_that_is_gone_is_forgotten(viewer, make, nuclei, kept):
    from napari_cytosynth.widgets.common import remembered

    remembered._settings().setValue("segment/model", kept)
    viewer.add_image(nuclei)
    widget = make()
    widget.wait(30)
    assert widget.model.value == "fluo-nuclei-unet"
