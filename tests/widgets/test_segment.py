"""What a user sees of the Segment widget, with a stand-in for the network."""

from __future__ import annotations

import numpy as np
import pytest


def labels_of(viewer):
    return [layer for layer in viewer.layers if layer._type_string == "labels"]


@pytest.fixture
def ran(viewer, make_widget, blobs):
    """A widget after one run on the two-and-a-half blobs."""
    viewer.add_image(blobs, name="cells")
    widget = make_widget()
    widget.run()
    assert widget.wait(20)
    return widget


def test_run_adds_probability_and_labels_under_the_layers_name(viewer, ran):
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells – probability",
        "cells – blobs",
    ]
    assert labels_of(viewer)[0].data.max() == 2
    assert "Done" in ran.status.value
    assert "All went well" in ran.status.value
    assert ran.readout.value.startswith("2 objects")


def test_threshold_by_value_relabels_without_running_the_network(viewer, ran, network):
    ran.threshold.value = 0.05
    assert labels_of(viewer)[0].data.max() == 3
    ran.wait(20)
    assert len(network.runs) == 1
    assert len(labels_of(viewer)[0].features) == 3
    assert ran.readout.value.startswith("3 objects")
