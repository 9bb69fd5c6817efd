"""Residual U-Net with a style vector: the network of Cellpose 1 to 3.

References
----------
Stringer, Wang, Michaelos, Pachitariu: "Cellpose: a generalist algorithm for cellular
segmentation", Nature Methods 18, 2021. Residual blocks whose norm and ReLU come before the
convolution: He et al. 2016, arXiv:1603.05027. Style as the mean over an image: Gatys et al. 2015,
arXiv:1508.06576.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WINDOW", "CPnet"]

WINDOW = 224
"""Side in px of the images that Cellpose trains on, whose mean makes a style."""


def _norm_conv(inputs: int, outputs: int, kernel: int, relu: bool = True) -> nn.Sequential:
    """Return norm, ReLU and convolution; without ReLU the convolution has the number 1."""
    norm = nn.BatchNorm2d(inputs, eps=1e-5, momentum=0.05)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.Sequential(norm, *([nn.ReLU()] if relu else []), convolution)


class _Down(nn.Module):
    """Four convolutions in two residual pairs."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.proj = _norm_conv(inputs, outputs, 1, relu=False)
        self.conv = nn.Sequential()
        for number in range(4):
            layer = _norm_conv(outputs if number else inputs, outputs, kernel)
            self.conv.add_module(f"conv_{number}", layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.proj(x) + self.conv[1](self.conv[0](x))
        return x + self.conv[3](self.conv[2](x))  # type: ignore[no-any-return]


class _Styled(nn.Module):
    """A convolution of features that the style has shifted, channel by channel."""

    def __init__(self, channels: int, style: int, kernel: int) -> None:
        super().__init__()
        self.conv = _norm_conv(channels, channels, kernel)
        self.full = nn.Linear(style, channels)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        return self.conv(x + self.full(style)[:, :, None, None])  # type: ignore[no-any-return]


class _Up(nn.Module):
    """Four convolutions in two residual pairs; the encoder's features come in after the first."""

    def __init__(self, inputs: int, outputs: int, style: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        self.conv.add_module("conv_0", _norm_conv(inputs, outputs, kernel))
        for number in range(1, 4):
            self.conv.add_module(f"conv_{number}", _Styled(outputs, style, kernel))
        self.proj = _norm_conv(inputs, outputs, 1, relu=False)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        first, second, third, fourth = self.conv
        x = self.proj(x) + second(first(x) + skip, style)
        return x + fourth(third(x, style), style)  # type: ignore[no-any-return]


class CPnet(nn.Module):
    """Residual U-Net with a style vector; returns flows and the logit of the foreground.

    The tensors have the names that they have in files of Cellpose.

    Parameters
    ----------
    in_channels
        Number of image channels that are given; if there are fewer than `channels`, the others
        are zero, as Cellpose fills the channel of the nuclei of a grey image. Default: 2.
    out_channels
        Number of output channels. Default: 3 (flow along Y, along X, foreground).
    channels
        Number of image channels that the weights are for. Default: 2.
    widths
        Channels of every level, finest first; ``len(widths) - 1`` poolings by 2.
        Default: (32, 64, 128, 256).
    kernel
        Side of the convolutions. Default: 3.

    Notes
    -----
    The style is the mean of the coarsest features over the whole image that is given, so that an
    output pixel depends on all of it: it is run on windows of :data:`WINDOW` px, like those of its
    training. Y and X must be multiples of :attr:`total_stride`.
    """

    window = WINDOW

    def __init__(
        self,
        in_channels: int = 2,
        out_channels: int = 3,
        channels: int = 2,
        widths: Sequence[int] = (32, 64, 128, 256),
        kernel: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) < 1 or min(widths) < 1 or kernel % 2 == 0:
            raise ValueError("widths must be positive, and kernel an odd number")
        if not 1 <= in_channels <= channels:
            raise ValueError(f"in_channels must lie in 1 to {channels}")
        self.total_stride = 2 ** (len(widths) - 1)
        self.missing = channels - in_channels
        self.downsample = nn.ModuleDict({"down": nn.Sequential()})
        self.upsample = nn.ModuleDict({"up": nn.Sequential()})
        pairs = zip([channels, *widths[:-1]], widths, strict=True)
        for level, (finer, own) in enumerate(pairs):
            self.downsample["down"].add_module(f"res_down_{level}", _Down(finer, own, kernel))
        for level, own in enumerate(widths):
            coarser = widths[min(level + 1, len(widths) - 1)]
            block = _Up(coarser, own, widths[-1], kernel)
            self.upsample["up"].add_module(f"res_up_{level}", block)
        self.pool = nn.MaxPool2d(2)
        self.output = _norm_conv(widths[0], out_channels, 1)

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features (N, widths[level], y, x) of every level, finest first."""
        if self.missing:
            x = nn.functional.pad(x, (0, 0, 0, 0, 0, self.missing))
        levels: list[torch.Tensor] = []
        for block in self.downsample["down"].children():
            levels.append(block(self.pool(levels[-1]) if levels else x))
        return levels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to (N, out_channels, Y, X): flows, and a logit."""
        levels = self.encode(x)
        style = levels[-1].mean(dim=(2, 3))
        style = style / style.square().sum(dim=1, keepdim=True).sqrt()
        x, blocks = levels[-1], list(self.upsample["up"].children())
        for level in reversed(range(len(levels))):
            x = blocks[level](x, levels[level], style)
            if level:
                x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        output: torch.Tensor = self.output(x)
        return output
