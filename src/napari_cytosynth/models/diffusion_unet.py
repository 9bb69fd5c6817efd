"""The denoiser of the diffusion models: a U-Net of ConvNeXt blocks.

References
----------
Ho, Jain, Abbeel: "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
arXiv:2006.11239. Liu et al.: "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545.
Scale and shift by the time embedding: Dhariwal and Nichol 2021, arXiv:2105.05233.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from .attention import AttentionKind, ChannelNorm, SelfAttention, attention_of_levels
from .embedding import Embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DiffusionUNet"]


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, LayerNorm, modulation by the embedding, two dense layers."""

    def __init__(self, channels: int, embedding: int, kernel: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.expand = nn.Conv2d(channels, hidden, 1)
        self.reduce = nn.Conv2d(hidden, channels, 1)
        for part in (self.modulation, self.reduce):  # begin as the identity
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) and (N, E) to (N, C, Y, X)."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm(self.depthwise(x)) * (1 + scale) + shift
        result: torch.Tensor = x + self.reduce(nn.functional.gelu(self.expand(hidden)))
        return result


class Level(nn.Module):
    """The blocks of one resolution, on the way down or up, with attention after each."""

    def __init__(
        self,
        channels: int,
        embedding: int,
        blocks: int,
        attention: AttentionKind,
        *,
        heads: int,
        head_width: int,
        kernel: int,
        expansion: int,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, embedding, kernel, expansion) for _ in range(blocks)
        )
        self.attention = nn.ModuleList(
            nn.Identity()
            if attention == "none"
            else SelfAttention(channels, attention, heads, head_width)
            for _ in range(blocks)
        )

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) and (N, E) to (N, C, Y, X)."""
        for block, attend in zip(self.blocks, self.attention, strict=True):
            x = attend(block(x, embedding))
        return x


class DiffusionUNet(nn.Module):
    """Predict noise, velocity or image from a noisy image, its time step and conditions.

    Parameters
    ----------
    channels
        Of the image (and of its mask, where pairs are made). Default: 1.
    width
        Channels of the first level; level i has ``width * dim_mults[i]``. Default: 64.
    dim_mults
        One factor for each level; ``len(dim_mults) - 1`` halvings. Default: (1, 2, 4).
    blocks
        ConvNeXt blocks of each level, on the way down and again on the way up. Default: 2.
    kernel, expansion
        Side of the depthwise kernel, and factor of the hidden width, of a block. Defaults: 7, 4.
    attention
        Either none, linear or full: for all levels, or one for each level. The deepest
        level's kind also serves between the two ways. Default: ``"linear"``.
    heads, head_width
        Of the attention. Defaults: 4, 32.
    time_widths
        Number of sinusoids, then the layers' widths of the time embedding. Default: (64, 256, 512).
    classes, conditions
        Number of classes (the index `classes` stands for none) and of continuous
        conditions (NaN stands for none). Default: 0.
    patch
        Pixels per side that are rearranged into channels before the first level (1: none).
        Default: 1.

    Notes
    -----
    Y and X must be multiples of :attr:`total_stride`. The defaults have about 7.2 million
    parameters.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 64,
        dim_mults: Sequence[int] = (1, 2, 4),
        blocks: int = 2,
        kernel: int = 7,
        expansion: int = 4,
        attention: AttentionKind | Sequence[AttentionKind] = "linear",
        heads: int = 4,
        head_width: int = 32,
        time_widths: Sequence[int] = (64, 256, 512),
        classes: int = 0,
        conditions: int = 0,
        patch: int = 1,
    ) -> None:
        super().__init__()
        sizes = (channels, width, blocks, kernel, expansion, heads, head_width, patch)
        if not dim_mults or min(*sizes, *dim_mults) < 1 or kernel % 2 == 0:
            raise ValueError("sizes must be positive, kernel odd, and dim_mults not empty")
        self.channels, self.classes, self.conditions = channels, classes, conditions
        self.total_stride = patch * 2 ** (len(dim_mults) - 1)
        self.embedding = Embedding(time_widths, classes, conditions)
        kinds = attention_of_levels(attention, len(dim_mults))
        widths = [width * factor for factor in dim_mults]

        def level(channels: int, kind: AttentionKind, blocks: int = blocks) -> Level:
            return Level(
                channels,
                self.embedding.width,
                blocks,
                kind,
                heads=heads,
                head_width=head_width,
                kernel=kernel,
                expansion=expansion,
            )

        self.to_channels = nn.PixelUnshuffle(patch)
        self.stem = nn.Conv2d(channels * patch**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(map(level, widths, kinds))
        self.shrink = nn.ModuleList(
            nn.Sequential(ChannelNorm(high), nn.Conv2d(high, low, 2, stride=2))
            for high, low in pairwise(widths)
        )
        self.middle = level(widths[-1], kinds[-1], 1)
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(low, high, 2, stride=2) for high, low in pairwise(widths)
        )
        self.merge = nn.ModuleList(nn.Conv2d(2 * size, size, 1) for size in widths)
        self.up = nn.ModuleList(map(level, widths, kinds))
        self.head = nn.Sequential(
            ChannelNorm(widths[0]), nn.Conv2d(widths[0], channels * patch**2, 3, padding=1)
        )
        nn.init.zeros_(self.head[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[1].bias)  # type: ignore[arg-type]
        self.to_pixels = nn.PixelShuffle(patch)

    def forward(
        self,
        x: torch.Tensor,
        time: torch.Tensor,
        label: torch.Tensor | None = None,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict from (N, C, Y, X) at (N,) time steps; returns (N, C, Y, X).

        Parameters
        ----------
        x
            Noisy images.
        time
            Time steps, 0 for the least noise.
        label
            (N,) class indices; None (default), or the index `classes`, for no class.
        condition
            (N, K) conditions as the model was trained with them; NaN for no condition.
        """
        embedding = nn.functional.silu(self.embedding(time, label, condition))
        x = self.stem(self.to_channels(x))
        skips = []
        for index, level in enumerate(self.down):
            x = level(self.shrink[index - 1](x) if index else x, embedding)
            skips.append(x)
        x = self.middle(x, embedding)
        for index in reversed(range(len(self.up))):
            x = self.merge[index](torch.cat([x, skips[index]], dim=1))
            x = self.up[index](x, embedding)
            if index:
                x = self.enlarge[index - 1](x)
        result: torch.Tensor = self.to_pixels(self.head(x))
        return result
