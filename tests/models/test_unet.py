from __future__ import annotations

import pytest
import torch

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.unet import UNet


@pytest.mark.parametrize(
    ("widths", "stem", "stride"),
    [((4,), 1, 1), ((4,), 3, 3), ((4, 6), 1, 2), ((4, 6, 8), 2, 8)],
)
def test_every_pixel_comes_back_in_every_channel(widths, stem, stride):
    network = UNet(2, 3, widths=widths, stem=stem).eval()
    assert network.total_stride == stride
    with torch.inference_mode():
        logits = network(torch.randn(1, 2, 2 * stride, 3 * stride))
    assert logits.shape == (1, 3, 2 * stride, 3 * stride)


def test_a_shift_by_the_total_stride_shifts_the_output():
    torch.manual_seed(0)
    network = UNet(widths=(4, 6), stem=2).eval()
    image = torch.randn(1, 1, 96, 96)
    with torch.inference_mode():
        here, there = network(image), network(torch.roll(image, 4, dims=-1))
    torch.testing.assert_close(here[..., 40:50, 40:50], there[..., 40:50, 44:54])


def test_evaluation_does_not_depend_on_the_rest_of_the_batch():
    torch.manual_seed(0)
    network = UNet(widths=(4, 6), dropout=0.5).eval()
    images = torch.randn(3, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(images)[:1], network(images[:1]))


def test_dropout_sits_in_the_two_coarsest_levels_only():
    network = UNet(widths=(4, 6, 8), dropout=0.25)
    found = [name for name, m in network.named_modules() if isinstance(m, torch.nn.Dropout2d)]
    assert found == ["encoder.1.dropout", "encoder.2.dropout"]


@pytest.mark.parametrize("arguments", [{"widths": ()}, {"stem": 0}, {"width": 3}])
def test_arguments_that_do_not_fit_are_named(arguments):
    with pytest.raises(UnknownArchitectureError, match="does not fit the architecture “UNet”"):
        build_network("UNet", arguments)


def test_an_unknown_architecture_says_what_there_is():
    with pytest.raises(UnknownArchitectureError, match=r"“Transformer”.*UNet"):
        build_network("Transformer", {})
