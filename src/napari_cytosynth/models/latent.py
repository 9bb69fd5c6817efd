"""Latent diffusion: an autoencoder, and a denoiser of its latents.

References
----------
Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR
2022, arXiv:2112.10752. The autoencoder is `diffusers.AutoencoderKL`: its decoder sees
nothing but the latents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .diffusion_unet import DiffusionUNet

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Autoencoder", "LatentDiffusion"]


class Autoencoder(nn.Module):
    """`diffusers.AutoencoderKL` of images in [-1, 1], without attention.

    Parameters
    ----------
    channels
        Of the images. Default: 1.
    widths
        Channels of every level, finest first; ``len(widths) - 1`` halvings.
        Default: (32, 64, 128, 128).
    latent_channels
        Channels of the latents. Default: 4.
    blocks
        Residual blocks of each level. Default: 1.
    groups
        Of the group normalisation; must divide every width. Default: 8.
    """

    def __init__(
        self,
        channels: int = 1,
        widths: Sequence[int] = (32, 64, 128, 128),
        latent_channels: int = 4,
        blocks: int = 1,
        groups: int = 8,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("an autoencoder needs one level or more: widths is empty")
        from diffusers import AutoencoderKL

        self.channels, self.latent_channels = channels, latent_channels
        self.downsampling = 2 ** (len(widths) - 1)
        self.kl: Any = AutoencoderKL(  # type: ignore[no-untyped-call]
            in_channels=channels,
            out_channels=channels,
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=tuple(widths),
            layers_per_block=blocks,
            latent_channels=latent_channels,
            norm_num_groups=groups,
            mid_block_add_attention=False,
        )

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map images to mean and log variance of the posterior, each (N, L, Y / d, X / d)."""
        posterior = self.kl.encode(x).latent_dist
        return posterior.mean, posterior.logvar

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Map (N, L, Y / d, X / d) to images (N, C, Y, X), about [-1, 1]."""
        result: torch.Tensor = self.kl.decode(z).sample
        return result

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a reconstruction from a drawn latent, and the posterior's mean, log variance."""
        mean, log_variance = self.encode(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(z), mean, log_variance


class LatentDiffusion(nn.Module):
    """A :class:`DiffusionUNet` on the scaled latents of an :class:`Autoencoder`.

    Parameters
    ----------
    autoencoder
        Arguments of :class:`Autoencoder`.
    denoiser
        Arguments of :class:`DiffusionUNet`, without its channels.
    latent_scale
        One over the standard deviation of the training images' latents. Default: 1.0.
    channels
        Of the images. Default: 1.
    classes, conditions
        As of :class:`DiffusionUNet`.
    """

    def __init__(
        self,
        autoencoder: dict[str, Any] | None = None,
        denoiser: dict[str, Any] | None = None,
        latent_scale: float = 1.0,
        channels: int = 1,
        classes: int = 0,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        if not latent_scale >= 1e-6:  # latents are divided by it
            raise ValueError(f"latent_scale must be above 0 (at least 1e-6), not {latent_scale}")
        self.autoencoder = Autoencoder(channels=channels, **(autoencoder or {}))
        latents = self.autoencoder.latent_channels
        conditioning: dict[str, Any] = {"classes": classes, "conditions": conditions}
        self.denoiser = DiffusionUNet(channels=latents, **conditioning, **(denoiser or {}))
        self.latent_scale = latent_scale
        self.channels, self.classes, self.conditions = channels, classes, conditions
        self.total_stride = self.autoencoder.downsampling * self.denoiser.total_stride

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Map images in [-1, 1] to the means of their latents, scaled to a std of 1."""
        return self.autoencoder.encode(x)[0] * self.latent_scale

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Map scaled latents to images (N, C, Y, X), about [-1, 1]."""
        return self.autoencoder.decode(latents / self.latent_scale)

    def forward(
        self,
        x: torch.Tensor,
        time: torch.Tensor,
        label: torch.Tensor | None = None,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict from noisy scaled latents; see :meth:`DiffusionUNet.forward`."""
        result: torch.Tensor = self.denoiser(x, time, label, condition)
        return result
