"""Overlapping windows, with fused results, for fields larger than the network's own size.

Bar-Tal et al. 2023, "MultiDiffusion", arXiv:2302.08113: each window's prediction counts with
a smooth weight, so that no border shows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fuse", "window_starts"]


def window_starts(length: int, window: int) -> list[int]:
    """Return where windows begin that overlap by half, the last one flush with the end.

    Parameters
    ----------
    length, window
        Size of the field and of a window along one axis; the field is not the smaller one.
    """
    last = length - window
    return [*range(0, last, max(window // 2, 1)), last]


def fuse(
    function: Callable[[torch.Tensor], torch.Tensor],
    field: torch.Tensor,
    window: tuple[int, int],
    *,
    scale: int = 1,
) -> torch.Tensor:
    """Apply a function to overlapping windows of a field and average the results.

    Parameters
    ----------
    function
        Maps (N, C, h, w) of one window to (N, K, scale · h, scale · w).
    field
        (N, C, Y, X), not smaller than a window.
    window
        Size (h, w) of a window in px of the field.
    scale
        Size of a result's pixel in px of the field, inverted: 8 for a decoder that enlarges
        eight times. Default: 1.

    Returns
    -------
    Tensor
        (N, K, scale · Y, scale · X); exactly what the function returns if the field is one
        window.
    """
    height, width = field.shape[-2:]
    if (height, width) == window:
        return function(field)
    weight = _weight(window, scale).to(field.device)
    total, weights = None, torch.zeros(scale * height, scale * width, device=field.device)
    for y in window_starts(height, window[0]):
        for x in window_starts(width, window[1]):
            part = function(field[..., y : y + window[0], x : x + window[1]])
            if total is None:
                total = part.new_zeros(*part.shape[:2], scale * height, scale * width)
            place = (
                slice(scale * y, scale * (y + window[0])),
                slice(scale * x, scale * (x + window[1])),
            )
            total[..., *place] += part * weight
            weights[place] += weight
    assert total is not None  # a field has at least one window
    return total / weights


def _weight(window: tuple[int, int], scale: int) -> torch.Tensor:
    """Return the weight of each pixel of a window's result: highest in its middle, never 0."""
    rows, columns = (
        torch.sin(math.pi * (torch.arange(scale * size) + 0.5) / (scale * size)) ** 2
        for size in window
    )
    return rows[:, None] * columns
