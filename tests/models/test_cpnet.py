"""The network of Cellpose 1 to 3: the numbers of the original, and how it is used."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.errors import UnknownArchitectureError
from napari_cytosynth.models import build_network

# of cellpose 3.1.1.2 with the same weights, on the same image: channel, row, column
ORIGINAL = {
    (0, 0, 0): 0.6357,
    (0, 7, 11): 0.5902,
    (1, 15, 23): -0.4701,
    (1, 3, 20): -0.4586,
    (2, 8, 0): -0.1738,
    (2, 12, 13): -0.1861,
}


def image(channels: int = 2) -> torch.Tensor:
    wave = torch.sin(torch.arange(channels * 16 * 24, dtype=torch.float64) * 0.3)
    return wave.reshape(1, channels, 16, 24).float()


def test_it_gives_the_numbers_of_the_original(make_cpnet):
    network = make_cpnet()
    with torch.inference_mode():
        found = network(image())[0]
    assert {place: float(found[place]) for place in ORIGINAL} == pytest.approx(ORIGINAL, abs=2e-4)


def test_it_equals_the_original():
    reason = "cellpose 1 to 3 is not installed"
    theirs = pytest.importorskip("cellpose.resnet_torch", reason=reason)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        original = theirs.CPnet([2, 32, 64, 128, 256], 3, 3).eval()
    state = {n: v for n, v in original.state_dict().items() if not n.startswith("diam_")}
    network = build_network("CPnet", {}).eval()
    network.load_state_dict(state)
    with torch.inference_mode():
        expected = original(image())[0]
        assert expected.std() > 0.05
        torch.testing.assert_close(network(image()), expected, rtol=1e-5, atol=1e-6)


def test_channels_that_are_not_given_are_zero(make_cpnet):
    network = make_cpnet()
    grey = make_cpnet(in_channels=1)
    one = image(1)
    with torch.inference_mode():
        both = torch.cat([one, torch.zeros_like(one)], dim=1)
        assert torch.equal(grey(one), network(both))
        assert not torch.allclose(network(torch.cat([one, one], dim=1)), network(both), atol=1e-3)


@pytest.mark.parametrize("wrong", [{"kernel": 2}, {"in_channels": 3}, {"widths": []}])
def test_impossible_arguments_are_refused(wrong):
    with pytest.raises(UnknownArchitectureError, match="does not fit the architecture “CPnet”"):
        build_network("CPnet", wrong)
