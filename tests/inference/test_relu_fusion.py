"""ReLUs that convolutions apply themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.inference import relu_fusion
from napari_cytosynth.inference.batchnorm_folding import folded_copy
from napari_cytosynth.inference.relu_fusion import ConvolutionReLU
from napari_cytosynth.models.pix2pixhd import Pix2PixHDGlobal
from napari_cytosynth.models.unet import UNet


def with_statistics(network, image):
    """Return a network in evaluation mode whose norms are not all alike."""
    network.train()
    for _ in range(3):
        network(torch.randn(4, *image.shape[1:]))
    return network.eval()


def both(network, image, dtype=torch.float32):
    folded = folded_copy(network, image).to(dtype)
    with torch.inference_mode():
        return folded(image.to(dtype)).float(), network.to(dtype)(image.to(dtype)).float(), folded


def count(network, kind):
    return sum(isinstance(part, kind) for part in network.modules())


@pytest.fixture(params=["fused", "in place"])
def way(request, monkeypatch):
    """Both ways: oneDNN's, and that of computers without it."""
    if request.param == "in place":
        monkeypatch.setattr(relu_fusion, "_fuses", lambda dtype: False)
    return request.param


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_a_unet_gives_the_same(way, layout):
    image = torch.randn(1, 1, 48, 64)
    network = with_statistics(UNet(1, 2, widths=(4, 8, 16), stem=2, dropout=0.2), image)
    found, expected, folded = both(network.to(memory_format=layout), image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert count(folded, ConvolutionReLU) == 10
    assert count(folded, nn.ReLU) == 0
    assert count(network, nn.ReLU) == 10


def test_a_unet_in_bfloat16_gives_the_same_as_without(monkeypatch):
    image = torch.randn(1, 1, 48, 64)
    network = with_statistics(UNet(1, 2, widths=(4, 8, 16)), image)
    folded = folded_copy(network, image).bfloat16()
    with torch.inference_mode():
        found = folded(image.bfloat16()).float()
        monkeypatch.setattr(relu_fusion, "_fuses", lambda dtype: False)
        expected = folded(image.bfloat16()).float()
    torch.testing.assert_close(found, expected, rtol=2**-6, atol=2**-6)


def test_a_generator_gives_the_same(way):
    """Convolutions with reflected borders and transposed ones cannot take the fused way."""
    image = torch.randn(1, 1, 32, 32)
    made = Pix2PixHDGlobal(width=4, downsamplings=2, blocks=1, padding="reflect")
    found, expected, folded = both(with_statistics(made, image), image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert count(folded, ConvolutionReLU) > 0


class UsedTwice(nn.Module):
    """Its convolution's result is used before the ReLU, too."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        y = self.convolution(x)
        return y + self.relu(y)


class SharedReLU(nn.Module):
    """One ReLU stands after two layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(1, 1, 3, padding=1) for _ in range(2))
        self.relu = nn.ReLU()

    def forward(self, x):
        for layer in self.layers:
            x = self.relu(layer(x))
        return x


@pytest.mark.parametrize("kind", [UsedTwice, SharedReLU])
def test_what_cannot_be_fused_is_left(kind):
    found, expected, folded = both(kind().eval(), torch.randn(1, 1, 16, 16))
    torch.testing.assert_close(found, expected)
    assert count(folded, ConvolutionReLU) == 0


def test_an_operation_that_is_missing_or_wrong_is_not_used(monkeypatch):
    try:
        for broken in (_raises, lambda layer, x: layer(x)):
            relu_fusion._fuses.cache_clear()
            monkeypatch.setattr(relu_fusion, "_fused", broken)
            assert not relu_fusion._fuses(torch.float32)
    finally:
        relu_fusion._fuses.cache_clear()


def _raises(layer, x):
    raise AttributeError("no such operation")
