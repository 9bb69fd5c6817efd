"""The multi-scale PatchGAN discriminator of pix2pixHD; needed for training only.

References
----------
Isola et al. 2017: "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017, arXiv:1611.07004. Wang et al. 2018, CVPR 2018, arXiv:1711.11585. Spectral
normalisation: Miyato et al. 2018, arXiv:1802.05957.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["MultiScaleDiscriminator", "PatchDiscriminator"]


class PatchDiscriminator(nn.Module):
    """A PatchGAN discriminator: scores of overlapping patches by strided convolutions.

    Parameters
    ----------
    in_channels
        Input image and stain together.
    width
        Channels after the first layer; doubled by each further one, up to 8 times. Default: 64.
    layers
        Number of halvings of the size. Default: 3.
    spectral
        Spectral normalisation of the weights in place of InstanceNorm. Default: False.
    """

    def __init__(
        self, in_channels: int, width: int = 64, layers: int = 3, spectral: bool = False
    ) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        stages = [self._stage(in_channels, width, 2, norm=False, spectral=spectral)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            low, high = widths[level - 1], widths[level]
            stages.append(self._stage(low, high, stride, norm=not spectral, spectral=spectral))
        last = nn.Conv2d(widths[-1], 1, 4, padding=2)
        stages.append(nn.Sequential(spectral_norm(last) if spectral else last))
        self.stages = nn.ModuleList(stages)

    @staticmethod
    def _stage(
        inputs: int, outputs: int, stride: int, *, norm: bool, spectral: bool
    ) -> nn.Sequential:
        conv = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2)
        parts: list[nn.Module] = [spectral_norm(conv) if spectral else conv]
        if norm:
            parts.append(nn.InstanceNorm2d(outputs, affine=False))
        return nn.Sequential(*parts, nn.LeakyReLU(0.2))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features after every layer; the last are the scores (N, 1, y, x)."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """A :class:`PatchDiscriminator` for each level of an average-pooled pyramid.

    Parameters
    ----------
    in_channels
        Input image and stain together.
    scales
        Number of levels. Default: 3.
    width, layers, spectral
        As in :class:`PatchDiscriminator`.
    """

    def __init__(
        self,
        in_channels: int,
        scales: int = 3,
        width: int = 64,
        layers: int = 3,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            PatchDiscriminator(in_channels, width, layers, spectral) for _ in range(scales)
        )
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, source: torch.Tensor, stain: torch.Tensor) -> list[list[torch.Tensor]]:
        """Score a stain, real or virtual, together with its source image.

        Parameters
        ----------
        source, stain
            (N, C, Y, X) and (N, K, Y, X).

        Returns
        -------
        list of list of Tensor
            For each level, from the finest on, the features after every layer.
        """
        x = torch.cat([source, stain], dim=1)
        found = []
        for number, level in enumerate(self.levels):
            x = self.pool(x) if number else x
            found.append(level(x))
        return found
