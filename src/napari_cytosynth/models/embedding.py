"""Embedding of a diffusion network's time step, class and conditions.

References
----------
Sinusoidal time embedding: Vaswani et al. 2017, arXiv:1706.03762; Ho et al. 2020,
arXiv:2006.11239. Null class for classifier-free guidance: Ho and Salimans 2022,
arXiv:2207.12598.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Embedding", "sinusoid"]


def sinusoid(time: torch.Tensor, width: int) -> torch.Tensor:
    """Return sines and cosines of a time step at frequencies from 1 to 1/10000.

    Parameters
    ----------
    time
        (N,) time steps, 0 for the least noise.
    width
        Number of values, even.

    Returns
    -------
    Tensor
        (N, width) float32.
    """
    half = width // 2
    steps = torch.arange(half, device=time.device, dtype=torch.float32)
    angles = time.float()[:, None] * torch.exp(-math.log(10_000.0) * steps / half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _mlp(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source, target in pairwise(widths):
        layers += [nn.Linear(source, target), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class Embedding(nn.Module):
    """The sum of the embeddings of time, class and conditions.

    Parameters
    ----------
    widths
        Number of sinusoids, then the widths of the layers that follow: (320, 640, 1024)
        is the embedding of Stable Diffusion with a narrower end.
    classes
        Number of classes; the index `classes` is the null class. Default: 0.
    conditions
        Number of continuous conditions; NaN where one is unknown. Default: 0.
    """

    def __init__(self, widths: Sequence[int], classes: int = 0, conditions: int = 0) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 2 or widths[0] % 2:
            raise ValueError("time_widths needs an even number of sinusoids and a layer or more")
        self.sinusoids, self.width = widths[0], widths[-1]
        self.null_class, self.condition_count = classes, conditions
        self.time = _mlp(widths)
        self.label = nn.Embedding(classes + 1, self.width) if classes else None
        self.conditions = _mlp((2 * conditions, self.width, self.width)) if conditions else None

    def forward(
        self,
        time: torch.Tensor,
        label: torch.Tensor | None = None,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (N,) steps, (N,) classes and (N, K) conditions to (N, width)."""
        result: torch.Tensor = self.time(sinusoid(time, self.sinusoids))
        if self.label is not None:
            if label is None:
                label = torch.full_like(time, self.null_class, dtype=torch.long)
            result = result + self.label(label)
        if self.conditions is not None:
            if condition is None:
                shape = len(time), self.condition_count
                condition = torch.full(shape, math.nan, device=time.device)
            known = ~condition.isnan()
            given = torch.cat([condition.nan_to_num(0.0), known.to(condition.dtype)], dim=1)
            result = result + self.conditions(given)
        return result
