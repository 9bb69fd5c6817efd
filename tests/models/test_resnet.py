from __future__ import annotations

import pytest
import torch

from napari_cytosynth.models.resnet import Bottleneck, ResNet50


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_an_image_becomes_2048_features(channels) -> None:
    torch.manual_seed(0)
    network = ResNet50(channels).eval()
    images = torch.randn(2, channels, 32, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = network(images)
    assert features.shape == (2, 2048)
    assert ResNet50.features == 2048
    assert not torch.equal(features[0], features[1])


def test_it_has_the_weights_of_the_paper_without_the_classifier() -> None:
    """25,557,032 with the 1000 classes of ImageNet, of which the last layer has 2,049,000."""
    with torch.device("meta"):
        network = ResNet50(3)
    assert sum(weights.numel() for weights in network.parameters()) == 25_557_032 - 2_049_000


@pytest.mark.parametrize(("stride", "side"), [(1, 8), (2, 4)])
def test_a_block_halves_where_it_has_a_stride(stride, side) -> None:
    block = Bottleneck(6, 4, stride).eval()
    assert block(torch.randn(1, 6, 8, 8)).shape == (1, 16, side, side)


def test_a_block_that_changes_nothing_has_no_weights_in_its_shortcut() -> None:
    assert not list(Bottleneck(16, 4, 1).shortcut.parameters())
    assert list(Bottleneck(16, 4, 2).shortcut.parameters())
