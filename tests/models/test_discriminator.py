from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.models.discriminator import MultiScaleDiscriminator, PatchDiscriminator


def make(**arguments):
    torch.manual_seed(0)
    return MultiScaleDiscriminator(3, **{"width": 4, "layers": 2, **arguments}).eval()


def images(size=32):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 1, size, size, generator=generator),
        torch.randn(2, 2, size, size, generator=generator),
    )


def test_each_level_judges_the_average_pooled_image():
    network = make()
    source, stain = images()
    with torch.inference_mode():
        found = network(source, stain)
        pair = torch.cat([source, stain], dim=1)
        for level, features in zip(network.levels, found, strict=True):
            for got, expected in zip(features, level(pair), strict=True):
                torch.testing.assert_close(got, expected)
            pair = nn.functional.avg_pool2d(pair, 3, 2, 1, count_include_pad=False)


def test_the_levels_are_built_alike_but_learn_apart():
    first, *others = (dict(level.named_parameters()) for level in make().levels)
    assert len(others) == 2
    for other in others:
        assert {k: v.shape for k, v in other.items()} == {k: v.shape for k, v in first.items()}
        assert not any(torch.equal(other[k], first[k]) for k in first)


def test_a_verdict_depends_on_the_source_image_too():
    network = make()
    source, stain = images()
    with torch.inference_mode():
        here, there = network(source, stain), network(source.roll(5, -1), stain)
    for one, other in zip(here, there, strict=True):
        assert not torch.allclose(one[-1], other[-1])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_features_of_every_layer_come_back_and_verdicts_last(layers):
    network = PatchDiscriminator(3, width=4, layers=layers).eval()
    with torch.inference_mode():
        features = network(torch.randn(1, 3, 32, 32))
    assert [f.shape[1] for f in features] == [4 * 2**level for level in range(layers + 1)] + [1]


def test_channels_stop_doubling_at_eight_times_the_width():
    network = PatchDiscriminator(3, width=2, layers=5)
    assert max(conv.out_channels for conv in convolutions(network)) == 16


def convolutions(network):
    return [part for part in network.modules() if isinstance(part, nn.Conv2d)]


def test_spectral_normalisation_bounds_every_layer_and_replaces_the_norm():
    network = make(scales=1, spectral=True).train()
    source, stain = images()
    with torch.no_grad():
        for conv in convolutions(network):
            conv.parametrizations.weight.original.mul_(30)
        for _ in range(30):  # each training pass refines the estimate of the norm
            network(source, stain)
        for conv in convolutions(network.eval()):
            assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2) == pytest.approx(1, abs=0.05)
    assert not any(isinstance(part, nn.InstanceNorm2d) for part in network.modules())


def test_small_crops_of_the_coarse_phase_are_judged():
    network = make(layers=3).train()
    source, stain = images(16)
    verdicts = [level[-1] for level in network(source, stain)]
    assert all(verdict.shape[:2] == (2, 1) and verdict.isfinite().all() for verdict in verdicts)
