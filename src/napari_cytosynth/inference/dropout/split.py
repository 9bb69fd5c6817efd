"""The split of a network at its first dropout: computed once, and for each sample.

A network declares its two stages by two methods: ``before_dropout(x)`` returns a tuple of feature
maps, ``after_dropout(*features)`` goes on from the first dropout to the output. Without
them, the whole network is the second stage.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from napari_cytosynth.inference.geometry import network_geometry, round_up

from .masks import DROPOUTS

if TYPE_CHECKING:
    from napari_cytosynth.inference.geometry import Geometry

__all__ = ["DropoutSplit", "find_split"]


@dataclass(frozen=True)
class DropoutSplit:
    """Geometry of the second stage of a network with dropout.

    Attributes
    ----------
    split
        False if the whole network is the second stage.
    halo
        Pixels of the image that the second stage needs around a tile's core; usually far
        fewer than the whole network.
    ratios
        For each feature map, how many pixels of the image one of its pixels spans.
    values_per_pixel
        Numbers in all feature maps together per pixel of the image.
    """

    split: bool
    halo: int
    ratios: tuple[int, ...]
    values_per_pixel: float


_known: WeakKeyDictionary[nn.Module, DropoutSplit] = WeakKeyDictionary()


def find_split(network: nn.Module, in_channels: int, geometry: Geometry) -> DropoutSplit:
    """Determine the split of a network into two stages; it is not changed.

    Parameters
    ----------
    network
        Maps (N, C, Y, X) to (N, K, Y, X).
    in_channels
        Number of channels C.
    geometry
        The whole network's geometry.
    """
    if network not in _known:
        _known[network] = _measure(network, in_channels, geometry)
    return _known[network]


def _measure(network: nn.Module, in_channels: int, geometry: Geometry) -> DropoutSplit:
    whole = DropoutSplit(False, geometry.halo, (1,), float(in_channels))
    if not (hasattr(network, "before_dropout") and hasattr(network, "after_dropout")):
        return whole
    own: Any = copy.deepcopy(network).to("cpu", torch.float32).eval()
    size = 2 * geometry.stride
    features, dropped = _first_stage(own, torch.zeros(1, in_channels, size, size))
    ratios = tuple(size // feature.shape[-1] for feature in features)
    fits = all(
        geometry.stride % ratio == 0 and tuple(feature.shape[-2:]) == (size // ratio,) * 2
        for ratio, feature in zip(ratios, features, strict=True)
    )
    if dropped or not fits:
        return whole
    halo = 0
    if geometry.halo:
        channels = tuple(feature.shape[1] for feature in features)
        second = network_geometry(_SecondStage(own, channels, ratios), 1)
        halo = min(round_up(second.halo, lcm(second.stride, *ratios)), geometry.halo)
    return DropoutSplit(True, halo, ratios, sum(map(torch.numel, features)) / size**2)


def _first_stage(network: Any, image: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], bool]:
    """Return the feature maps, and whether a dropout layer ran before them."""
    met: list[nn.Module] = []
    hooks = [
        part.register_forward_pre_hook(lambda part, inputs: met.append(part))
        for part in network.modules()
        if isinstance(part, DROPOUTS)
    ]
    try:
        with torch.inference_mode():
            features = network.before_dropout(image)
    finally:
        for hook in hooks:
            hook.remove()
    return features, bool(met)


class _SecondStage(nn.Module):
    """The second stage as a network on an image of one channel, so that it can be measured.

    Each pixel of a feature map stands for the block of image pixels that it spans.
    """

    def __init__(self, network: Any, channels: tuple[int, ...], ratios: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.maps = tuple(zip(channels, ratios, strict=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 1, Y, X) to (N, K, Y, X)."""
        features = [
            nn.functional.avg_pool2d(x, ratio).expand(-1, channels, -1, -1)
            for channels, ratio in self.maps
        ]
        y: torch.Tensor = self.network.after_dropout(*features)
        return y
