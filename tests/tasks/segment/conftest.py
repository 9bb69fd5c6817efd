"""A tiny model, and an image that it fits."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(pixel_size_um=0.5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
