"""A layer of a stain is moved back by a shift."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth.widgets.train.inputs.shift import move_stain

PLANE = np.zeros((8, 8))


@pytest.mark.parametrize(("unit", "moved"), [("um", 0.5), ("nm", 500.0)])
def test_a_layer_is_moved_in_its_own_units(unit, moved):
    image = Image(PLANE, scale=(0.25, 0.25), units=("um", "um"))
    stain = Image(PLANE, scale=(1, 1), translate=(moved, 0), units=(unit, unit))
    move_stain(image, stain, (2, 0))  # 2 px of the image are 0.5 µm
    np.testing.assert_allclose(stain.translate, 0, atol=1e-9)
