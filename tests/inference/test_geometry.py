from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from napari_cytosynth.errors import ModelError
from napari_cytosynth.inference.geometry import network_geometry, round_up
from napari_cytosynth.models.unet import UNet


def geometry(network, in_channels=1):
    return network_geometry(network, in_channels)


@pytest.mark.parametrize(
    ("layers", "radius"),
    [
        ([nn.Conv2d(1, 3, 1)], 0),
        ([nn.Conv2d(1, 3, 3, padding=1)], 1),
        ([nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 5, padding=2)], 3),
        ([nn.Conv2d(1, 1, (1, 7), padding=(0, 3))], 3),
        ([nn.Conv2d(1, 1, (7, 1), padding=(3, 0))], 3),
        ([nn.Conv2d(1, 1, 3, padding=4, dilation=4)], 4),
        ([nn.MaxPool2d(3, stride=1, padding=1)], 1),
    ],
)
def test_layers_without_stride_reach_as_far_as_their_kernels(layers, radius):
    found = geometry(nn.Sequential(*layers))
    assert (found.radius, found.stride, found.halo) == (radius, 1, radius)


def test_pooling_and_upsampling_give_the_stride():
    network = nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(3), nn.Upsample(scale_factor=6))
    found = geometry(network)
    assert (found.radius, found.stride, found.halo) == (5, 6, 0)


def test_a_network_that_takes_every_size_still_shows_its_stride():
    class Blocks(nn.Module):
        def forward(self, x):
            small = nn.functional.max_pool2d(x, 4, ceil_mode=True)
            return nn.functional.interpolate(small, scale_factor=4)[..., : x.shape[2], : x.shape[3]]

    assert geometry(Blocks()).stride == 4


@pytest.mark.parametrize(
    ("arguments", "stride"),
    [
        ({"widths": (2,)}, 1),
        ({"widths": (2, 3)}, 2),
        ({"widths": (2, 3), "stem": 2}, 4),
        ({"widths": (2, 2, 2), "stem": 3}, 12),
    ],
)
def test_the_unets_stride_is_found_without_reading_it(arguments, stride):
    network = UNet(2, 3, **arguments)
    del network.total_stride
    found = geometry(network, 2)
    assert found.stride == stride
    assert found.out_channels == 3
    assert found.halo % stride == 0
    assert found.halo - stride < found.radius < found.halo + stride


def test_the_radius_is_what_changing_single_pixels_shows():
    network = UNet(1, 1, widths=(2, 3), stem=2).double().eval()
    found = geometry(network)
    for weights in network.parameters():
        weights.data.abs_().add_(0.1)
    size = 64
    image = torch.rand(1, 1, size, size, dtype=torch.float64)
    with torch.no_grad():
        before, reach = network(image), 0
        for at in range(28, 28 + found.stride):
            changed = image.clone()
            changed[0, 0, at, at] += 100
            rows = ((network(changed) - before).abs()[0, 0] > 0).any(1).nonzero()
            reach = max(reach, at - int(rows.min()), int(rows.max()) - at)
    assert reach == found.radius


def test_measuring_changes_neither_the_network_nor_the_random_numbers():
    network = UNet(1, 1, widths=(2, 3)).train()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    geometry(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_dead_weights_do_not_hide_the_reach():
    network = UNet(1, 1, widths=(2, 3))
    expected = geometry(copy.deepcopy(network))
    for weights in network.parameters():
        weights.data.zero_()
    assert geometry(network) == expected


def test_a_network_that_sees_the_whole_image_is_refused():
    for norm in (nn.InstanceNorm2d(1), nn.GroupNorm(1, 1)):
        with pytest.raises(ModelError, match="whole image"):
            geometry(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), norm))


def test_a_network_that_returns_no_image_is_refused():
    with pytest.raises(ModelError, match="size of its input"):
        geometry(nn.Conv2d(1, 1, 3))


def test_round_up():
    assert [round_up(value, 4) for value in (0, 1, 4, 5)] == [0, 4, 4, 8]
