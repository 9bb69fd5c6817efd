"""Tick boxes of what is known of a stain."""

from __future__ import annotations

import numpy as np
import pytest

SPREADS = [f"{stain} samples · virtual · cells" for stain in ("DNA", "AGP")]


@pytest.fixture
def ran(viewer, blobs, make_stain_widget, stainer, knowing_card):
    viewer.add_image(blobs, name="cells")
    stainer.card, stainer.sample_spread = knowing_card(), True
    widget = make_stain_widget()
    widget.samples.value = 3
    widget.run()
    assert widget.wait(20)
    return widget


def visible(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_the_spread_of_samples_has_layers_and_a_tick_box(viewer, ran, blobs):
    np.testing.assert_allclose(viewer.layers[SPREADS[0]].data, blobs / 3)
    assert ran.ticks.samples.native.isVisibleTo(ran.native)
    assert not ran.ticks.samples.value
    assert visible(viewer) == ["DNA · virtual · cells"]
    ran.ticks.samples.native.click()
    assert visible(viewer) == ["DNA · virtual · cells", SPREADS[0]]
    ran.ticks.stains["AGP"].value = True
    ran.ticks.stains["DNA"].value = False
    assert visible(viewer) == ["AGP · virtual · cells", SPREADS[1]]
    viewer.layers[SPREADS[1]].visible = False
    assert not ran.ticks.samples.value


def test_without_it_there_is_no_tick_box_and_its_layers_go(viewer, ran, stainer):
    stainer.sample_spread = False
    ran.run()
    assert ran.wait(20)
    assert not [layer.name for layer in viewer.layers if "samples" in layer.name]
    assert not ran.ticks.samples.native.isVisibleTo(ran.native)


def test_the_tooltips_say_what_a_map_is_worth(ran):
    assert "it says no more than the brightness does" in ran.ticks.sigma.tooltip
    assert "not measured" in ran.ticks.samples.tooltip  # the card knows the usual views only
