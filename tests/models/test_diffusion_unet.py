"""The denoiser: any channels, and it listens to the time, the class and the conditions."""

from __future__ import annotations

import math

import pytest
import torch

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network
from napari_cytosynth.models.diffusion_unet import DiffusionUNet

TINY = {
    "width": 4,
    "dim_mults": [1, 2],
    "blocks": 1,
    "expansion": 1,
    "kernel": 3,
    "attention": "none",
    "time_widths": [4, 8],
}


@pytest.fixture
def tiny(alive):
    return lambda **arguments: alive(DiffusionUNet(**{**TINY, **arguments}))


def _noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("arguments", "stride"),
    [
        ({}, 2),
        ({"patch": 2}, 4),
        ({"dim_mults": [1]}, 1),
        ({"dim_mults": [2, 1, 3], "blocks": 2}, 4),
        ({"time_widths": [6, 5, 12]}, 2),
    ],
)
def test_every_pixel_of_every_channel_comes_back(tiny, channels, arguments, stride) -> None:
    network = tiny(channels=channels, **arguments)
    assert (network.channels, network.total_stride) == (channels, stride)
    x = _noise(2, channels, 2 * stride, 3 * stride)
    with torch.inference_mode():
        result = network(x, torch.tensor([0, 999]))
    assert result.shape == x.shape
    assert result.std() > 0


@pytest.mark.parametrize("attention", ["linear", "full", ["none", "full"], ["linear", "none"]])
def test_attention_carries_news_across_the_whole_image(tiny, attention) -> None:
    network, x = tiny(attention=attention, heads=2, head_width=4), _noise(1, 1, 64, 64)
    changed = x.clone()
    changed[..., -2:, -2:] += 3
    time = torch.tensor([10])
    with torch.inference_mode():
        far = (network(changed, time) - network(x, time))[..., :8, :8]
        without = tiny()
        near = (without(changed, time) - without(x, time))[..., :8, :8]
    assert far.abs().max() > 0
    assert near.abs().max() == 0


def test_a_fresh_network_predicts_nothing() -> None:
    x = _noise(1, 1, 8, 8)
    assert torch.equal(DiffusionUNet(**TINY)(x, torch.tensor([3])), torch.zeros_like(x))


def test_the_prediction_depends_on_the_time(tiny) -> None:
    network, x = tiny(), _noise(1, 1, 8, 8)
    with torch.inference_mode():
        early, late = (network(x, torch.tensor([t])) for t in (1, 500))
    assert not torch.allclose(early, late)


def test_the_null_class_is_no_class_and_the_others_are_not(tiny) -> None:
    network, x, time = tiny(classes=2), _noise(1, 1, 8, 8), torch.tensor([5])
    with torch.inference_mode():
        none, *classes, null = (
            network(x, time, label) for label in (None, *torch.tensor([[0], [1], [2]]))
        )
    assert torch.equal(null, none)
    assert not torch.allclose(classes[0], none)
    assert not torch.allclose(classes[0], classes[1])


def test_a_condition_that_is_nan_is_no_condition_and_zero_is_one(tiny) -> None:
    network, x, time = tiny(conditions=2), _noise(1, 1, 8, 8), torch.tensor([5])
    with torch.inference_mode():
        none, unknown, zero, partly = (
            network(x, time, condition=condition if condition is None else torch.tensor(condition))
            for condition in (None, [[math.nan] * 2], [[0.0, 0.0]], [[math.nan, 0.0]])
        )
    assert torch.equal(unknown, none)
    assert unknown.isfinite().all()
    assert not torch.allclose(zero, none)
    assert not torch.allclose(partly, zero)
    assert not torch.allclose(partly, none)


def test_each_image_has_its_own_time_class_and_condition(tiny) -> None:
    """Images of a batch do not mix, so that a seed gives one image whatever the batch."""
    network = tiny(classes=2, conditions=1, attention="linear", heads=1, head_width=4)
    x, time, label = _noise(3, 1, 8, 8), torch.tensor([1, 50, 900]), torch.tensor([0, 1, 2])
    condition = torch.tensor([[0.5], [math.nan], [-1.0]])
    with torch.inference_mode():
        together = network(x, time, label, condition)
        alone = [
            network(x[i : i + 1], time[i : i + 1], label[i : i + 1], condition[i : i + 1])
            for i in range(3)
        ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_gradients_reach_every_weight(alive) -> None:
    network = alive(DiffusionUNet(**TINY | {"attention": "full", "classes": 1, "conditions": 1}))
    x, time = _noise(2, 1, 8, 8), torch.tensor([3, 4])
    network(x, time, torch.tensor([0, 1]), torch.tensor([[0.0], [1.0]])).square().sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())
    assert all(weights.grad.abs().max() > 0 for weights in network.parameters())


def test_the_full_size_has_about_seven_million_weights() -> None:
    with torch.device("meta"):
        network = DiffusionUNet()
    assert sum(weights.numel() for weights in network.parameters()) == pytest.approx(7.2e6, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"channels": 0}, "positive"),
        ({"kernel": 4}, "odd"),
        ({"dim_mults": []}, "not empty"),
        ({"dim_mults": [1, 0]}, "positive"),
        ({"heads": 0}, "positive"),
        ({"attention": "global"}, "none, linear or full"),
        ({"attention": ["full"]}, "names 1 levels, but there are 2"),
        ({"time_widths": [5, 8]}, "even number"),
        ({"time_widths": [4]}, "a layer or more"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        DiffusionUNet(**TINY | arguments)
    with pytest.raises(UnknownArchitectureError, match=problem):
        build_network("DiffusionUNet", TINY | arguments)
