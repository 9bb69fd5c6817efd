"""Fixtures for every test: a tiny random model and the real images, where they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

torch.set_num_threads(1)
# No measuring of bfloat16 into the user's cache; the same numbers on every machine.
os.environ.setdefault("CYTOSYNTH_PRECISION", "float32")


def make_tiny_card(**inference: object) -> ModelCard:
    """Card of a tiny U-Net with a foreground and a distance channel."""
    from napari_cytosynth.zoo.card import Inference, ModelCard, Splitting

    values: dict[str, object] = {
        "task": "segment",
        "input_channels": ["grey"],
        "output_channels": ["foreground", "distance"],
        "threshold": 0.5,
        "objects": "blobs",
        "pixel_size_um": 0.5,
        "total_stride": 2,
        "splitting": Splitting(channel="distance", seed_threshold=0.6),
    }
    values.update(inference)
    record = Inference(**values)  # type: ignore[arg-type]
    return ModelCard(
        name="tiny",
        title="A tiny random network",
        architecture="UNet",
        arguments={
            "in_channels": len(record.input_channels),
            "out_channels": len(record.output_channels),
            "widths": [4, 8],
        },
        licence="CC0-1.0",
        inference=record,
    )


def _model(card: ModelCard, network: torch.nn.Module) -> Model:
    from napari_cytosynth.zoo.loading import Model

    return Model(
        card=card,
        network=network,
        source=card.name,
        origin="path",
        sha256="0" * 64,
        revision=None,
        device="cpu",
    )


def make_tiny_model(**inference: object) -> Model:
    """Model with fixed random weights whose output spreads over (0, 1)."""
    from napari_cytosynth.models import build_network

    card = make_tiny_card(**inference)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(card.architecture, card.arguments).eval()
        noise = torch.rand(1, len(card.inference.input_channels), 64, 64)
    with torch.no_grad():
        network.head.weight.div_(network(noise).std(dim=(0, 2, 3))[:, None, None, None])
        network.head.bias.sub_(network(noise).mean(dim=(0, 2, 3)))
    return _model(card, network)


@pytest.fixture
def tiny_model() -> Model:
    return make_tiny_model()


@pytest.fixture(scope="session")
def make_model():
    """Return the function that makes a tiny model with other `inference` values."""
    return make_tiny_model


def make_tiny_stainer(*, name: str = "tiny-stainer", seed: int = 5, **inference: object) -> Model:
    """Model with fixed random weights that stains DNA and AGP, trained with dropout.

    Not all random weights are alive: with some seeds no sample differs from another.
    """
    from napari_cytosynth.models import build_network
    from napari_cytosynth.zoo.card import Inference, ModelCard, Normalisation, OutputScaling

    values: dict[str, object] = {
        "task": "stain",
        "input_channels": ["phase"],
        "output_channels": ["DNA", "AGP"],
        "activation": "linear",
        "pixel_size_um": 0.5,
        "total_stride": 4,
        "dropout": 0.2,
        "normalisation": Normalisation(kind="zscore"),
        "output_scaling": [
            OutputScaling(offset=100, scale=1000),
            OutputScaling(offset=50, scale=200),
        ],
        "output_unit": "camera counts",
        "sigma_scale": [2.0, 0.5],
        "sigma_floor": [0.1, 0.01],
    }
    values.update(inference)
    record = Inference(**values)  # type: ignore[arg-type]
    arguments = {
        "in_channels": len(record.input_channels),
        "out_channels": len(record.output_channels),
        "width": 4,
        "global_blocks": 1,
        "local_blocks": 1,
        "downsamplings": 1,
        "dropout": record.dropout,
    }
    card = ModelCard(name=name, architecture="Pix2PixHD", arguments=arguments, inference=record)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(card.architecture, card.arguments).eval()
    return _model(card, network)


@pytest.fixture
def tiny_stainer() -> Model:
    return make_tiny_stainer()


@pytest.fixture(scope="session")
def make_stainer():
    """Return the function that makes a tiny stainer with other `inference` values."""
    return make_tiny_stainer


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real images beside the checkout; the test is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real images are not there: {folder}")
    return folder
