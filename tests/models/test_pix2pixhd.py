"""The staged generator: what is computed once must really be the same for every sample."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cytosynth.models import build_network

TINY = {"width": 4, "global_blocks": 2, "local_blocks": 2, "downsamplings": 1, "dropout": 0.5}
NETWORKS = [
    *(("Pix2PixHD", TINY | {"dropout_blocks": blocks}, min(blocks, 4)) for blocks in (1, 2, 3, 4)),
    ("Pix2PixHDGlobal", {"width": 4, "blocks": 3, "downsamplings": 1, "dropout": 0.5}, 1),
    (
        "Pix2PixHDGlobal",
        {"width": 4, "blocks": 3, "downsamplings": 1, "dropout": 0.5, "dropout_blocks": 3},
        3,
    ),
]


@pytest.fixture(params=NETWORKS, ids=lambda n: f"{n[0]}-{n[2]}")
def network(request):
    torch.manual_seed(0)
    name, arguments, blocks = request.param
    made = build_network(name, arguments).eval()
    dropouts = [layer for layer in made.modules() if isinstance(layer, nn.Dropout2d)]
    assert len(dropouts) == blocks
    return made, dropouts


def test_nothing_before_the_first_dropout_is_random_and_something_after_it_is(network) -> None:
    network, dropouts = network
    image = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        still = network(image)
        assert still.shape == image.shape
        for layer in dropouts:
            layer.train()
        first, second = network.before_dropout(image), network.before_dropout(image)
        assert all(map(torch.equal, first, second))
        assert not torch.equal(network.after_dropout(*first), network.after_dropout(*first))
        for layer in dropouts:
            layer.eval()
        assert torch.equal(network.after_dropout(*first), still)


@pytest.mark.parametrize("name", ["Pix2PixHD", "Pix2PixHDGlobal"])
def test_tanh_bounds_the_output(name) -> None:
    torch.manual_seed(0)
    key = "local_blocks" if name == "Pix2PixHD" else "blocks"
    arguments = {"width": 4, key: 1, "downsamplings": 1}
    linear = build_network(name, arguments).eval()
    bounded = build_network(name, arguments | {"tanh": True}).eval()
    bounded.load_state_dict(linear.state_dict())
    image = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(bounded(image), torch.tanh(linear(image)))


@pytest.mark.parametrize(
    "wrong", [{"dropout_blocks": 0}, {"dropout_blocks": 5}, {"head_kernel": 4}, {"width": 0}]
)
def test_arguments_that_make_no_network_are_named(wrong) -> None:
    from napari_cytosynth.errors import UnknownArchitectureError

    with pytest.raises(UnknownArchitectureError, match=next(iter(wrong))):
        build_network("Pix2PixHD", TINY | wrong)
