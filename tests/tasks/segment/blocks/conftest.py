"""Scenes and models of planes that are segmented in blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cytosynth.tasks.segment.blocks import grid, tables
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.zoo.card import Normalisation
from napari_cytosynth.zoo.card.objects import Confidence, ConfidenceTerm

SHAPE = (600, 520)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(grid, "BLOCK", 128)
    monkeypatch.setattr(tables, "_SIDE", 64)


@pytest.fixture(scope="module")
def scene():
    """Round cells, some with holes, as logit and flows; a few of them touch."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.int32)
    for number in range(1, 160):
        y, x = random.uniform(0, SHAPE[0]), random.uniform(0, SHAPE[1])
        away = (rows - y) ** 2 + (columns - x) ** 2
        labels[away <= random.uniform(6, 20) ** 2] = number
        if number % 5 == 0:
            labels[away <= 4] = 0
    logit = np.where(labels > 0, 4.0, -11.0) + random.normal(size=SHAPE)
    flows = 5 * flow_field(labels) + random.normal(size=(2, *SHAPE))
    return np.stack([logit, *flows]).astype(np.float32)


class AsItIs(torch.nn.Module):
    """A network of 3 × 3 px that adds a little of the neighbourhood to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.near = torch.nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + 0.3 * self.near(image)


@pytest.fixture(scope="module")
def by_flows(make_flow_model):
    made = make_flow_model(
        diameter=24.0,
        min_size=20,
        confidence=Confidence(
            intercept=0.5, probability=ConfidenceTerm(weight=3.0, mean=0.9, std=0.05)
        ),
    )
    return replace(made, network=AsItIs(3).eval())


@pytest.fixture(scope="module")
def by_components(make_model):
    made = make_model(
        input_channels=["logit"],
        output_channels=["foreground"],
        normalisation=Normalisation(kind="percentile"),
        splitting=None,
        threshold=0.5,
        total_stride=1,
    )
    return replace(made, network=AsItIs(1).eval())
