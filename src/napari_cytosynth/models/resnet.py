"""ResNet-50 as an encoder of small images: the β-VAE's baseline.

References
----------
He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385. The stride sits in the
3×3 convolution, as in most later implementations.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ResNet50"]

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions around a shortcut."""

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        target = width * _EXPANSION
        self.layers = nn.Sequential(
            nn.Conv2d(source, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, target, 1, bias=False),
            nn.BatchNorm2d(target),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or source != target:
            self.shortcut = nn.Sequential(
                nn.Conv2d(source, target, 1, stride, bias=False), nn.BatchNorm2d(target)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, source, Y, X) to (N, 4 width, Y / stride, X / stride)."""
        return torch.relu(self.layers(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """The convolutional part of ResNet-50, averaged over space: 2048 features.

    Parameters
    ----------
    channels
        Of the images.
    """

    features = _STAGES[-1][0] * _EXPANSION

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        ]
        source = 64
        for stage, (width, blocks) in enumerate(_STAGES):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers.append(Bottleneck(source, width, stride))
                source = width * _EXPANSION
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, 2048)."""
        result: torch.Tensor = self.layers(x)
        return result
