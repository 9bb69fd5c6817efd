"""The segmenter of an evaluation is the network as a user runs it, or a threshold."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.training.stain.evaluate.objects import (
    THRESHOLD,
    make_segmenter,
    threshold_objects,
)


@pytest.mark.parametrize("pixel_size", [None, 0.2])
def test_a_network_runs_with_the_settings_of_its_card(pixel_size):
    plane = phantoms.fluorescent_nuclei((96, 96), count=5, seed=1).image.astype(np.float32)
    own = cytosynth.segment(
        plane, "fluo-nuclei-unet", pixel_size=pixel_size, resample=pixel_size is not None
    )
    found = make_segmenter("fluo-nuclei-unet", pixel_size, "cpu")(plane)
    assert found.max() > 2
    np.testing.assert_array_equal(found, own.labels)


def test_a_threshold_needs_no_network():
    assert make_segmenter(THRESHOLD) is threshold_objects
