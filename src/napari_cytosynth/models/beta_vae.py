"""β-VAE: an encoder, a decoder, and a prior to sample from.

References
----------
Kingma and Welling 2014, arXiv:1312.6114; Higgins et al., "beta-VAE", ICLR 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from .decoder import Decoder, check_size
from .resnet import ResNet50

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BetaVAE"]


class ConvEncoder(nn.Module):
    """Convolution, BatchNorm, LeakyReLU and 2-D max pooling on every level."""

    def __init__(self, channels: int, size: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.features = widths[-1] * check_size(size, widths) ** 2
        layers: list[nn.Module] = []
        for source, target in zip([channels, *widths[:-1]], widths, strict=True):
            layers += [
                nn.Conv2d(source, target, 3, padding=1, bias=False),
                nn.BatchNorm2d(target),
                nn.LeakyReLU(0.2),
                nn.MaxPool2d(2),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, features)."""
        result: torch.Tensor = self.layers(x)
        return result


class BetaVAE(nn.Module):
    """A variational autoencoder with a standard normal prior and a diagonal posterior.

    Parameters
    ----------
    channels, size
        Of the images; `size` in px, a multiple of 2 to the number of `widths`. Defaults: 1, 64.
    latent
        Length of the latent vector. Default: 64.
    widths
        Channels of every level, finest first. Default: (32, 64, 128, 256).
    encoder
        Either conv, or resnet50: the baseline architecture. Default: ``"conv"``.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 64,
        latent: int = 64,
        widths: Sequence[int] = (32, 64, 128, 256),
        encoder: Literal["conv", "resnet50"] = "conv",
    ) -> None:
        super().__init__()
        if encoder not in ("conv", "resnet50"):
            raise ValueError(f"encoder must be conv or resnet50, not {encoder}")
        self.channels, self.size, self.latent = channels, size, latent
        self.encoder: ConvEncoder | ResNet50 = (
            ResNet50(channels) if encoder == "resnet50" else ConvEncoder(channels, size, widths)
        )
        self.to_mean = nn.Linear(self.encoder.features, latent)
        self.to_log_variance = nn.Linear(self.encoder.features, latent)
        self.decoder = Decoder(channels, size, latent, widths)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map images in [-1, 1] to mean and log variance of the posterior, each (N, latent)."""
        features = self.encoder(x)
        return self.to_mean(features), self.to_log_variance(features).clamp(-12, 8)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Map (N, latent) to images (N, C, size, size) in [-1, 1]."""
        result: torch.Tensor = self.decoder(z)
        return result

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a reconstruction from a drawn latent, and the posterior's mean, log variance."""
        mean, log_variance = self.encode(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(z), mean, log_variance
