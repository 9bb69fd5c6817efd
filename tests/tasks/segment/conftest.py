"""A tiny model, and an image that it fits."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.zoo.card import FlowDecoding, Normalisation


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(pixel_size_um=0.5)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)


@pytest.fixture(scope="module")
def make_flow_model(make_model):
    """Return a function that makes a model whose three input channels are logit and flows."""
    channels = ["foreground", "flow-y", "flow-x"]

    def make(**card):
        return make_model(
            input_channels=["logit", "y", "x"],
            output_channels=channels,
            channel_roles=channels,
            normalisation=Normalisation(kind="fixed", mean=0.0, std=1.0),
            splitting=None,
            threshold=0.4,
            total_stride=1,
            flows=FlowDecoding(scale=5.0, error_limit=0.9),
            **card,
        )

    return make
