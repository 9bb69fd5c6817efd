"""The decoder from a latent vector to an image, of the β-VAE and the WGAN.

References
----------
Radford, Metz, Chintala 2016, arXiv:1511.06434.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Decoder", "check_size"]


def check_size(size: int, widths: Sequence[int]) -> int:
    """Return the side of the coarsest feature map.

    Raises
    ------
    ValueError
        If the image cannot be halved that often.
    """
    if not widths or min(widths) < 1 or size < 2 ** len(widths) or size % 2 ** len(widths):
        raise ValueError(f"a size of {size} px cannot be halved {len(widths)} times")
    base: int = size // 2 ** len(widths)
    return base


class Decoder(nn.Module):
    """A dense layer, then transposed convolutions that double the size.

    Parameters
    ----------
    channels
        Of the image.
    size
        Side of the image in px; a multiple of 2 to the number of `widths`.
    latent
        Length of the latent vector.
    widths
        Channels of every level, finest first; each doubles the size once.
    """

    def __init__(self, channels: int, size: int, latent: int, widths: Sequence[int]) -> None:
        super().__init__()
        if min(channels, latent) < 1:
            raise ValueError("an image needs a channel, and a latent vector a number")
        self.base = check_size(size, widths)
        self.first = nn.Linear(latent, widths[-1] * self.base**2)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[-1]), nn.LeakyReLU(0.2)]
        for source, target in pairwise(reversed(widths)):
            layers += [
                nn.ConvTranspose2d(source, target, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(target),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.ConvTranspose2d(widths[0], widths[0], 4, stride=2, padding=1))
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(widths[0], channels, 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map (N, latent) to images (N, C, size, size) in [-1, 1]."""
        start = self.first(z).reshape(len(z), -1, self.base, self.base)
        result: torch.Tensor = torch.tanh(self.layers(start))
        return result
