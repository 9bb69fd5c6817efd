"""A sampler of dropout masks, and the plain loop that it must equal; U-Nets run in tiles."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.inference.dropout.sampler import Sampler
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.inference.tiling import plan_tiles
from napari_cytosynth.models import build_network
from napari_cytosynth.models.unet import UNet

WHOLE = 100_000
TINY = {"width": 4, "global_blocks": 1, "local_blocks": 1, "downsamplings": 1, "out_channels": 2}
SHAPES = {
    "one level": {"widths": (2,)},
    "two levels": {"widths": (2, 3)},
    "stem": {"widths": (2, 3), "stem": 2},
    "odd stem": {"widths": (2,), "stem": 3},
    "three levels": {"widths": (2, 2, 2)},
}
UNET = {"widths": [4, 6], "out_channels": 2, "dropout": 0.3}
CHOICES = {
    "one block": ("Pix2PixHD", TINY | {"dropout": 0.3}),
    "many blocks": ("Pix2PixHD", TINY | {"dropout": 0.3, "dropout_blocks": 2}),
    "bilinear": ("Pix2PixHD", TINY | {"dropout": 0.3, "upsampling": "bilinear"}),
    "global": (
        "Pix2PixHDGlobal",
        {"width": 4, "blocks": 2, "downsamplings": 1, "dropout": 0.3, "out_channels": 2},
    ),
    "unet last": ("UNet", UNET | {"dropout_at": "last", "stem": 2}),
    "unet coarsest": ("UNet", UNET | {"dropout_at": "coarsest"}),
}


def make(name="one block", **changes):
    """Return a network with lively BatchNorms, left in training mode."""
    architecture, arguments = CHOICES[name]
    torch.manual_seed(7)
    network = build_network(architecture, arguments | changes)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.bias.data.uniform_(-0.5, 1)
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
    return network


class Plain(nn.Module):
    """A network that tells of no stages, with a BatchNorm right behind its dropout."""

    def __init__(self, dropout=0.4, layer=nn.Dropout2d):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.dropout = nn.Conv2d(1, 6, 3, padding=1), layer(dropout)
        self.norm, self.last = nn.BatchNorm2d(6), nn.Conv2d(6, 1, 3, padding=1)
        self.norm.running_mean.uniform_(0.5, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.last(self.norm(self.dropout(self.first(x))).relu())


def noise(*shape):
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


PLANE = noise(1, 61, 150)


def sampler(network, tile_size=WHOLE, **keywords):
    return Sampler(network, 1, device="cpu", precision="float32", tile_size=tile_size, **keywords)


def run(network, tile_size=WHOLE, *, plane=PLANE, settings=None, **keywords):
    return sampler(network, tile_size, **(settings or {})).run(plane, **keywords)


def tile_count(network, tile_size):
    return len(plan_tiles(PLANE.shape[1:], sampler(network).geometry, tile_size))


def assert_same(result, expected):
    span = float(np.abs(expected).max())
    assert span > 0
    assert np.abs(result - expected).max() <= 2e-5 * span


def naive(network, plane, count, seed=0, p=None):
    """Run the whole network once for each sample, masks by hooks; keep all the samples."""
    network = copy.deepcopy(network).eval()
    layers = [part for part in network.modules() if isinstance(part, nn.Dropout | nn.Dropout2d)]
    sample = 0

    def mask(layer, number):
        share = layer.p if p is None else p

        def hook(part, inputs, output):
            sequence = np.random.SeedSequence(seed, spawn_key=(sample, number))
            drawn = np.random.Generator(np.random.Philox(sequence)).random(output.shape[1])
            factors = torch.from_numpy((drawn >= share) / (1 - share)).float()
            return inputs[0] * factors[:, None, None]

        layer.register_forward_hook(hook)

    for number, layer in enumerate(layers):
        mask(layer, number)
    pads = [(0, -size % getattr(network, "total_stride", 1)) for size in plane.shape[1:]]
    image = torch.from_numpy(np.pad(plane, [(0, 0), *pads], mode="reflect"))[None]
    images = []
    with torch.inference_mode():
        for sample in range(count):  # noqa: B007 - the hooks look at it
            images.append(network(image)[0, :, : plane.shape[1], : plane.shape[2]].numpy())
    return np.stack(images)


@pytest.fixture(scope="session")
def mc():
    """Networks with dropout, how to sample them, and a plain loop over masks."""
    return SimpleNamespace(
        make=make,
        Plain=Plain,
        noise=noise,
        PLANE=PLANE,
        sampler=sampler,
        run=run,
        tile_count=tile_count,
        assert_same=assert_same,
        naive=naive,
    )


def unet(in_channels=1, out_channels=2, **arguments):
    """Return a network whose far neighbours count: positive weights, lively BatchNorms."""
    torch.manual_seed(7)
    network = UNet(in_channels, out_channels, **arguments)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # take the statistics of one batch
            part.bias.data.uniform_(0.5, 1)
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.weight.data.abs_()
    with torch.no_grad():
        network(torch.rand(2, in_channels, 96, 96))
    return network.eval()


LIVELY = {name: unet(**arguments) for name, arguments in SHAPES.items()}


def predictor(network, tile_size, in_channels=1, **keywords):
    settings = {"device": "cpu", "precision": "float32", **keywords}
    return Predictor(network, in_channels, tile_size=tile_size, **settings)


def predict(network, plane, tile_size, **keywords):
    runner = predictor(network, tile_size, len(plane))
    return runner.predict(plane, activation="linear", **keywords)


def assert_tiled(result, expected):
    span = max(float(np.ptp(expected)), float(np.abs(expected).max()), 1e-6)
    assert np.abs(result - expected).max() <= 1e-5 * span


def count_tiles(runner, plane):
    counts = []
    runner.predict(plane, progress=lambda done, total, message: counts.append(total))
    return counts[-1]


@pytest.fixture(scope="session")
def tiled():
    """U-Nets, how to run them in tiles, and on the whole plane."""
    return SimpleNamespace(
        WHOLE=WHOLE,
        NETWORKS=LIVELY,
        unet=unet,
        predictor=predictor,
        predict=predict,
        count_tiles=count_tiles,
        noise=noise,
        assert_same=assert_tiled,
    )
