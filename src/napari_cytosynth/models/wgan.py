"""WGAN-GP: a generator with the β-VAE's decoder, and the critic that trains it.

References
----------
Arjovsky et al. 2017, arXiv:1701.07875; Gulrajani et al. 2017, arXiv:1704.00028 (no
BatchNorm in the critic: the gradient penalty is a property of each single image).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from .decoder import Decoder, check_size

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WGAN", "Critic"]


class WGAN(nn.Module):
    """The generator; its latent vectors are drawn from a standard normal distribution.

    Parameters
    ----------
    channels, size, latent, widths
        As of :class:`~napari_cytosynth.models.decoder.Decoder`.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 64,
        latent: int = 64,
        widths: Sequence[int] = (32, 64, 128, 256),
    ) -> None:
        super().__init__()
        self.channels, self.size, self.latent = channels, size, latent
        self.decoder = Decoder(channels, size, latent, widths)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Map (N, latent) to images (N, C, size, size) in [-1, 1]."""
        result: torch.Tensor = self.decoder(z)
        return result

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return :meth:`decode` of the latents."""
        return self.decode(z)


class Critic(nn.Module):
    """Strided convolutions without any normalisation, to one number for each image.

    Parameters
    ----------
    channels, size, widths
        As of :class:`WGAN`.
    """

    def __init__(self, channels: int, size: int, widths: Sequence[int]) -> None:
        super().__init__()
        base = check_size(size, widths)
        layers: list[nn.Module] = []
        for source, target in zip([channels, *widths[:-1]], widths, strict=True):
            layers += [nn.Conv2d(source, target, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * base**2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, size, size) to (N,) scores, larger for more real."""
        result: torch.Tensor = self.layers(x)
        return result[:, 0]
