"""The coarse-to-fine generator of pix2pixHD, for virtual staining.

References
----------
Wang et al. 2018: "High-Resolution Image Synthesis and Semantic Manipulation with
Conditional GANs", CVPR 2018, arXiv:1711.11585. Dropout kept at prediction: Gal and
Ghahramani 2016, arXiv:1506.02142; put near the end of the network: Kong et al. 2022,
"Reflash Dropout in Image Super-Resolution", CVPR 2022, arXiv:2112.12089. Upsampling without a
checkerboard: Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", Distill,
doi:10.23915/distill.00003; computed as in Karras et al. 2019, "A Style-Based Generator
Architecture for Generative Adversarial Networks", CVPR 2019, arXiv:1812.04948.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from .unet import Binomial

__all__ = [
    "BilinearConvolution",
    "GlobalGenerator",
    "Pix2PixHD",
    "Pix2PixHDGlobal",
    "ResidualBlock",
]

Norm = Literal["batch", "instance", "none"]
Padding = Literal["zeros", "reflect"]
Upsampling = Literal["transposed", "bilinear"]


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=False)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"norm must be batch, instance or none, not {kind}")


class _Stage(nn.Module):
    """A convolution (or one that doubles the size), a norm and a ReLU."""

    def __init__(self, convolution: nn.Module, norm: Norm, channels: int) -> None:
        super().__init__()
        self.conv = convolution
        self.norm = _norm(norm, channels)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.relu(self.norm(self.conv(x)))
        return y


def _first(inputs: int, outputs: int, norm: Norm, padding: Padding) -> _Stage:
    return _Stage(nn.Conv2d(inputs, outputs, 7, padding=3, padding_mode=padding), norm, outputs)


def _down(inputs: int, outputs: int, norm: Norm) -> _Stage:
    return _Stage(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), norm, outputs)


class BilinearConvolution(nn.ConvTranspose2d):
    """Doubles the size by bilinear interpolation and a 3×3 convolution: no checkerboard.

    A transposed convolution reaches an output pixel with one, two or four weights of each
    channel, by turns; what these sums differ in is a checkerboard. Here its result is smoothed
    by (½, 1, ½) along both axes, which takes all power at the Nyquist frequency out of a smooth
    input. Zeros between the pixels and this filter are bilinear interpolation, and convolutions
    commute: it is resize-convolution at a quarter of its multiply-adds, for the many
    channels are convolved before the size has doubled. As in the transposed convolution,
    input pixel i lies at output pixel 2i, where the strided convolutions took it from.

    Parameters
    ----------
    inputs, outputs
        Number of channels. Weights have the names and shapes of the transposed convolution's.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        """Map (N, inputs, Y, X) to (N, outputs, 2·Y, 2·X)."""
        y = F.conv_transpose2d(x, self.weight, None, 2, 1, 1)
        # made here rather than kept as a buffer: weights stay those of the transposed convolution
        tent = y.new_tensor([0.5, 1.0, 0.5])
        smooth = torch.outer(tent, tent).expand(self.out_channels, 1, 3, 3)
        # the bias comes last, where no border dims it: a norm can be folded into this layer
        return F.conv2d(y, smooth, self.bias, padding=1, groups=self.out_channels)


def _up(inputs: int, outputs: int, norm: Norm, upsampling: Upsampling) -> _Stage:
    if upsampling == "bilinear":
        return _Stage(BilinearConvolution(inputs, outputs), norm, outputs)
    if upsampling != "transposed":
        raise ValueError(f"upsampling must be transposed or bilinear, not {upsampling}")
    turned = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return _Stage(turned, norm, outputs)


def _head(inputs: int, outputs: int, kernel: int, padding: Padding) -> nn.Conv2d:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("head_kernel must be odd")
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode=padding)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a channel-wise dropout, added to the input."""

    def __init__(self, channels: int, norm: Norm, padding: Padding, dropout: float | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)
        self.norm1 = _norm(norm, channels)
        self.relu = nn.ReLU()
        self.dropout = nn.Identity() if dropout is None else nn.Dropout2d(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)
        self.norm2 = _norm(norm, channels)

    def first_half(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the input of the dropout."""
        y: torch.Tensor = self.relu(self.norm1(self.conv1(x)))
        return y

    def second_half(self, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Complete the block from its input and its :meth:`first_half`."""
        y: torch.Tensor = x + self.norm2(self.conv2(self.dropout(hidden)))
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        return self.second_half(x, self.first_half(x))


class GlobalGenerator(nn.Module):
    """G1: down, residual blocks, up again; returns features, not yet an image.

    Parameters
    ----------
    in_channels
        Number of image channels.
    width
        Channels of the first level; doubled by each of the `downsamplings`.
    downsamplings, blocks
        Number of halvings of the size, and of residual blocks at the smallest.
    norm, padding
        As in :class:`Pix2PixHD`.
    dropout, dropout_blocks
        Probability of the dropout, and in how many of the last blocks it sits. Defaults: 0.0, 0.
    upsampling
        As in :class:`Pix2PixHD`.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        downsamplings: int,
        blocks: int,
        norm: Norm = "batch",
        padding: Padding = "zeros",
        dropout: float = 0.0,
        dropout_blocks: int = 0,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        if not 0 <= dropout_blocks <= blocks:
            raise ValueError("dropout_blocks must not be more than there are blocks")
        widths = [width * 2**level for level in range(downsamplings + 1)]
        self.first = _first(in_channels, width, norm, padding)
        self.down = nn.ModuleList(_down(low, high, norm) for low, high in pairwise(widths))
        self.dropout_blocks, quiet = dropout_blocks, blocks - dropout_blocks
        self.blocks = nn.ModuleList(
            ResidualBlock(widths[-1], norm, padding, dropout if number >= quiet else None)
            for number in range(blocks)
        )
        falling = widths[::-1]
        self.up = nn.ModuleList(_up(high, low, norm, upsampling) for high, low in pairwise(falling))

    def before_dropout(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the features before the first block with dropout; there must be one."""
        x = self.first(x)
        quiet = len(self.blocks) - self.dropout_blocks
        for part in (*self.down, *self.blocks[:quiet]):
            x = part(x)
        return x, self.blocks[quiet].first_half(x)  # type: ignore[operator]

    def after_dropout(self, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Complete :meth:`before_dropout` to the features."""
        quiet = len(self.blocks) - self.dropout_blocks
        x = self.blocks[quiet].second_half(x, hidden)  # type: ignore[operator]
        for part in (*self.blocks[quiet + 1 :], *self.up):
            x = part(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to features (N, width, Y, X)."""
        x = self.first(x)
        for part in (*self.down, *self.blocks, *self.up):
            x = part(x)
        return x


class Pix2PixHDGlobal(nn.Module):
    """The global generator alone, at full resolution and with a head of its own.

    Many published models of the pix2pixHD family are no more than this.

    Parameters
    ----------
    in_channels, out_channels
        Number of image channels and of stains. Default: 1.
    width
        Channels at full resolution; doubled by each of the `downsamplings`. Default: 64.
    downsamplings, blocks
        Halvings and residual blocks. Defaults: 3, 9.
    norm, padding, dropout, dropout_blocks, head_kernel, tanh, upsampling
        As in :class:`Pix2PixHD`.

    Notes
    -----
    Y and X must be multiples of ``2 ** downsamplings``.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 64,
        downsamplings: int = 3,
        blocks: int = 9,
        norm: Norm = "batch",
        padding: Padding = "zeros",
        dropout: float = 0.0,
        dropout_blocks: int = 1,
        head_kernel: int = 7,
        tanh: bool = False,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        if min(width, downsamplings, blocks, dropout_blocks) < 1:
            raise ValueError("width, downsamplings, blocks, dropout_blocks must be at least 1")
        self.total_stride = 2**downsamplings
        self.coarse = GlobalGenerator(
            in_channels,
            width,
            downsamplings,
            blocks,
            norm,
            padding,
            dropout,
            dropout_blocks,
            upsampling,
        )
        self.head = _head(width, out_channels, head_kernel, padding)
        self.tanh = tanh

    def before_dropout(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the features before the first dropout, shared by all samples."""
        return self.coarse.before_dropout(x)

    def after_dropout(self, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Complete :meth:`before_dropout` to the image (N, out_channels, Y, X)."""
        image: torch.Tensor = self.head(self.coarse.after_dropout(x, hidden))
        return torch.tanh(image) if self.tanh else image

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to the stains (N, out_channels, Y, X)."""
        return self.after_dropout(*self.before_dropout(x))


class Pix2PixHD(nn.Module):
    """Global generator at half the resolution, local enhancer at the full one.

    The enhancer's features after its downsampling are summed with those of the global
    generator, which has seen the average-pooled image: the coarse network knows what is
    where, the fine one how it looks.

    Parameters
    ----------
    in_channels, out_channels
        Number of image channels and of stains. Default: 1.
    width
        Channels of the local enhancer at full resolution; the global generator begins
        with twice as many. Default: 32.
    downsamplings, global_blocks
        Halvings and residual blocks of the global generator. Defaults: 3, 9.
    local_blocks
        Residual blocks of the local enhancer, at half the resolution. Default: 3.
    norm
        ``batch`` (default: an image may be cut into tiles without seams), ``instance``
        (statistics of the whole image) or ``none``.
    padding
        What the convolutions see beyond the border: ``zeros`` or ``reflect``. Default: ``"zeros"``.
    dropout
        Probability of the channel-wise dropout in the last `dropout_blocks` blocks. Default: 0.0.
    dropout_blocks
        How many of the last blocks have dropout, the local enhancer's and, beyond those,
        the global generator's; all that comes before them is deterministic, so that with
        one or two of them many samples cost little more than one. Default: 1.
    head_kernel
        Side of the last convolution, 7 in the paper. It runs for every sample and at full
        resolution: 3 makes samples three times as fast. Default: 7.
    tanh
        Whether a tanh follows, as in the paper. It clips bright nuclei. Default: False.
    upsampling
        ``transposed`` convolutions, as in the paper, or ``bilinear`` interpolation and a
        convolution (:class:`BilinearConvolution`), which leave no checkerboard. Weights of the
        one have the names and shapes of the other's, but need a training of their own.
        Default: ``"transposed"``.
    smooth
        How often the output is blurred by a binomial filter, as in
        :class:`~napari_cytosynth.models.unet.UNet`. Default: 0.

    Notes
    -----
    Y and X must be multiples of ``2 ** (downsamplings + 1)``.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        downsamplings: int = 3,
        global_blocks: int = 9,
        local_blocks: int = 3,
        norm: Norm = "batch",
        padding: Padding = "zeros",
        dropout: float = 0.0,
        dropout_blocks: int = 1,
        head_kernel: int = 7,
        tanh: bool = False,
        upsampling: Upsampling = "transposed",
        smooth: int = 0,
    ) -> None:
        super().__init__()
        if min(width, downsamplings, global_blocks, local_blocks) < 1:
            raise ValueError("width, downsamplings and blocks must be at least 1")
        if not 1 <= dropout_blocks <= local_blocks + global_blocks:
            raise ValueError("dropout_blocks must lie between 1 and the number of blocks")
        self.total_stride = 2 ** (downsamplings + 1)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        further = max(0, dropout_blocks - local_blocks)
        size = (2 * width, downsamplings, global_blocks)
        self.coarse = GlobalGenerator(
            in_channels, *size, norm, padding, dropout, further, upsampling
        )
        self.first = _first(in_channels, width, norm, padding)
        self.down = _down(width, 2 * width, norm)
        quiet = max(0, local_blocks - dropout_blocks)
        self.blocks = nn.ModuleList(
            ResidualBlock(2 * width, norm, padding, dropout if number >= quiet else None)
            for number in range(local_blocks)
        )
        self.quiet_blocks = quiet
        self.up = _up(2 * width, width, norm, upsampling)
        self.head = _head(width, out_channels, head_kernel, padding)
        self.tanh = tanh
        self.smooth = nn.Sequential(*(Binomial() for _ in range(smooth)))

    def coarse_features(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the global generator's (N, 2·width, Y/2, X/2)."""
        features: torch.Tensor = self.coarse(self.pool(x))
        return features

    def before_dropout(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute the features before the first dropout, shared by all samples."""
        fine = self.down(self.first(x))
        if self.coarse.dropout_blocks:
            return (fine, *self.coarse.before_dropout(self.pool(x)))
        y = fine + self.coarse_features(x)
        for block in self.blocks[: self.quiet_blocks]:
            y = block(y)
        return y, self.blocks[self.quiet_blocks].first_half(y)  # type: ignore[operator]

    def after_dropout(self, x: torch.Tensor, *features: torch.Tensor) -> torch.Tensor:
        """Complete :meth:`before_dropout` to the image (N, out_channels, Y, X)."""
        if self.coarse.dropout_blocks:
            x, blocks = x + self.coarse.after_dropout(*features), self.blocks
        else:
            x = self.blocks[self.quiet_blocks].second_half(x, *features)  # type: ignore[operator]
            blocks = self.blocks[self.quiet_blocks + 1 :]
        for block in blocks:
            x = block(x)
        image: torch.Tensor = self.head(self.up(x))
        smoothed: torch.Tensor = self.smooth(torch.tanh(image) if self.tanh else image)
        return smoothed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, Y, X) to the stains (N, out_channels, Y, X)."""
        return self.after_dropout(*self.before_dropout(x))
