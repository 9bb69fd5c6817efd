"""U-Net for segmentation and regression.

References
----------
Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015, arXiv:1505.04597. BatchNorm: Ioffe and Szegedy 2015,
arXiv:1502.03167. Rearranging pixels into channels in place of a first, costly level:
Shi et al. 2016, arXiv:1609.05158.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UNet", "UNetEncoder"]


class ConvBlock(nn.Module):
    """Two 3×3 convolutions, each followed by BatchNorm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout2d(dropout) if dropout else nn.Identity()

    def first_half(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to the input of the dropout."""
        return self.relu1(self.norm1(self.conv1(x)))  # type: ignore[no-any-return]

    def second_half(self, hidden: torch.Tensor) -> torch.Tensor:
        """Complete the block from :meth:`first_half`."""
        return self.relu2(self.norm2(self.conv2(self.dropout(hidden))))  # type: ignore[no-any-return]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to (N, out_channels, Y, X)."""
        return self.second_half(self.first_half(x))


class Binomial(nn.Module):
    """Blur by (1, 2, 1) / 4 along Y and X; at the borders the outermost pixels are repeated."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        x = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        for _ in range(2):  # twice (1, 1) / 2; sums are four times as fast as avg_pool2d
            x = x[..., :-1, :] + x[..., 1:, :]
            x = (x[..., :-1] + x[..., 1:]) * 0.25
        return x


class UNetEncoder(nn.Module):
    """Encoder of a U-Net; returns features of images.

    Parameters
    ----------
    in_channels
        Number of image channels. Default: 1.
    widths
        Channels of every level, finest first; ``len(widths) - 1`` poolings by 2.
        Default: (16, 32, 64, 128, 256).
    stem
        Pixels per side that are rearranged into channels before the first level (1: none).
        Default: 1.
    dropout
        Probability of channel dropout inside the two coarsest levels; 0 for none. Default: 0.0.

    Notes
    -----
    Y and X must be multiples of :attr:`total_stride`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        stem: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(widths) < 1 or min(widths) < 1 or stem < 1:
            raise ValueError("widths must be positive and stem at least 1")
        self.total_stride = stem * 2 ** (len(widths) - 1)
        sources = [in_channels * stem**2, *widths[:-1]]
        drops = [dropout if level >= len(widths) - 2 else 0.0 for level in range(len(widths))]
        self.to_channels = nn.PixelUnshuffle(stem)
        self.encoder = nn.ModuleList(
            ConvBlock(*args) for args in zip(sources, widths, drops, strict=True)
        )
        self.pool = nn.MaxPool2d(2)

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's feature maps (N, widths[level], y, x), finest level first."""
        if self.to_channels.downscale_factor > 1:  # else it would copy pixel by pixel
            x = self.to_channels(x)
        levels = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            levels.append(x)
        return levels

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to the spatial means (N, D) of the two coarsest levels."""
        return torch.cat([level.mean(dim=(2, 3)) for level in self.encode(x)[-2:]], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to features (N, D), D = widths[-2] + widths[-1]."""
        return self.features(x)


class UNet(UNetEncoder):
    """Encoder-decoder with skip connections; returns logits (or a linear output).

    Parameters
    ----------
    in_channels, out_channels
        Number of image channels and of named output channels. Default: 1.
    widths
        Channels of every level, finest first; ``len(widths) - 1`` poolings by 2.
        Default: (16, 32, 64, 128, 256).
    stem
        Pixels per side that are rearranged into channels before the first level and
        back after the last (1: none). A stem of 2 works at half resolution inside, at
        a quarter of the cost, and still returns every pixel. Default: 1.
    dropout
        Probability of channel dropout; 0 for none. Default: 0.0.
    dropout_at
        Where it sits: inside the two ``coarsest`` levels of the encoder, or inside the
        ``last`` block of the decoder, where many samples cost little more than one.
        Default: ``"coarsest"``.
    smooth
        How often the output is blurred by a binomial filter, (1, 2, 1) / 4 along Y and X. That has
        a zero at the Nyquist frequency, where a stem of 2 leaves a checkerboard, and takes what the
        layer before it leaves, of a period of 4 px along both axes, to a quarter. Default: 0.

    Notes
    -----
    Y and X must be multiples of :attr:`total_stride`; the inference engine pads for
    that. BatchNorm in evaluation mode makes the output at a pixel depend on nothing but
    a bounded neighbourhood, so that an image may be cut into tiles without seams.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        stem: int = 1,
        dropout: float = 0.0,
        dropout_at: Literal["coarsest", "last"] = "coarsest",
        smooth: int = 0,
    ) -> None:
        if dropout_at not in ("coarsest", "last"):
            raise ValueError(f"dropout_at must be coarsest or last, not {dropout_at}")
        if dropout_at == "last" and len(widths) < 2:
            raise ValueError("dropout_at last needs at least two levels")
        super().__init__(in_channels, widths, stem, dropout if dropout_at == "coarsest" else 0.0)
        self.dropout_at = dropout_at
        lasts = [0.0] * (len(widths) - 2) + [dropout if dropout_at == "last" else 0.0]
        pairs = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for high, low in pairs)
        self.decoder = nn.ModuleList(
            ConvBlock(2 * high, high, drop) for (high, _), drop in zip(pairs, lasts, strict=False)
        )
        self.head = nn.Conv2d(widths[0], out_channels * stem**2, 1)
        self.to_pixels = nn.PixelShuffle(stem)
        self.smooth = nn.Sequential(*(Binomial() for _ in range(smooth)))

    def before_dropout(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Compute the features before the dropout of the last block, shared by all samples."""
        if self.dropout_at != "last":
            return (x,)
        return (self.decoder[-1].first_half(self._to_last_block(x)),)  # type: ignore[operator]

    def after_dropout(self, x: torch.Tensor) -> torch.Tensor:
        """Complete :meth:`before_dropout` to the output (N, out_channels, Y, X)."""
        if self.dropout_at != "last":
            x = self.decoder[-1](self._to_last_block(x)) if self.decoder else self.encode(x)[-1]
        else:
            x = self.decoder[-1].second_half(x)  # type: ignore[operator]
        output: torch.Tensor = self.head(x)
        if self.to_pixels.upscale_factor > 1:
            output = self.to_pixels(output)
        smoothed: torch.Tensor = self.smooth(output)
        return smoothed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to logits (N, out_channels, Y, X)."""
        return self.after_dropout(*self.before_dropout(x))

    def _to_last_block(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input of the decoder's last block."""
        *skips, x = self.encode(x)
        for up, block in zip(self.up[:-1], self.decoder[:-1], strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        return torch.cat([skips.pop(), self.up[-1](x)], dim=1)
