"""Self-attention over the pixels of a feature map, full or linear.

References
----------
Vaswani et al. 2017, arXiv:1706.03762. Linear attention: Shen et al., "Efficient
Attention", arXiv:1812.01243.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AttentionKind", "ChannelNorm", "SelfAttention", "attention_of_levels"]

AttentionKind = Literal["none", "linear", "full"]


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of every pixel, as in ConvNeXt: no statistics over space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        result: torch.Tensor = self.norm(x.permute(0, 2, 3, 1))
        return result.permute(0, 3, 1, 2)


class SelfAttention(nn.Module):
    """Residual multi-head self-attention; ``linear`` costs O(pixels), ``full`` O(pixels²).

    Parameters
    ----------
    channels
        Of the feature map.
    kind
        Either linear or full.
    heads, head_width
        Number of heads, and channels of each. Defaults: 4, 32.
    """

    def __init__(
        self, channels: int, kind: AttentionKind, heads: int = 4, head_width: int = 32
    ) -> None:
        super().__init__()
        if kind not in ("linear", "full"):
            raise ValueError(f"attention must be none, linear or full, not {kind}")
        self.kind, self.heads = kind, heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_width, 1, bias=False)
        self.out = nn.Conv2d(heads * head_width, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        count, _, height, width = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(count, 3, self.heads, -1, height * width)
        query, key, value = qkv.unbind(1)  # each (N, heads, head_width, pixels)
        if self.kind == "full":
            attend = nn.functional.scaled_dot_product_attention
            query, key, value = (part.transpose(-1, -2) for part in (query, key, value))
            mixed = attend(query, key, value).transpose(-1, -2)
        else:
            query = query.softmax(-2) * query.shape[-2] ** -0.5
            context = key.softmax(-1) @ value.transpose(-1, -2)
            mixed = context.transpose(-1, -2) @ query
        result: torch.Tensor = x + self.out(mixed.reshape(count, -1, height, width))
        return result


def attention_of_levels(
    attention: AttentionKind | Sequence[AttentionKind], levels: int
) -> list[AttentionKind]:
    """Return one kind of attention for each level; a single name stands for all."""
    kinds = [attention] * levels if isinstance(attention, str) else list(attention)
    if len(kinds) != levels:
        raise ValueError(f"attention names {len(kinds)} levels, but there are {levels}")
    unknown = set(kinds) - {"none", "linear", "full"}
    if unknown:
        raise ValueError(f"attention must be none, linear or full, not {sorted(unknown)[0]}")
    return kinds
