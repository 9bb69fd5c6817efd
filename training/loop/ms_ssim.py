"""Multi-scale structural similarity as a loss, in float32."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["ms_ssim"]

# of the five scales, from the finest on (Wang, Simoncelli, Bovik 2003)
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_TAPS, _SIGMA = 11, 1.5


def _window(size: int, count: int, stride: int, like: torch.Tensor) -> torch.Tensor:
    """Return the Gaussian window of `count` taps as a band matrix, a column each `stride` px.

    As a product of matrices the filter is ten times as fast on a CPU as a convolution of
    single channels.
    """
    position = torch.arange(count, dtype=like.dtype, device=like.device) - count // 2
    taps = torch.exp(-0.5 * (position / _SIGMA) ** 2)
    taps = taps / taps.sum()
    matrix = torch.zeros(size, size - count + 1, dtype=like.dtype, device=like.device)
    for offset, tap in enumerate(taps):
        matrix.diagonal(-offset)[: size - count + 1] = tap
    return matrix[:, ::stride]


def _smooth(planes: torch.Tensor, stride: int) -> torch.Tensor:
    """Filter planes (M, Y, X) without padding, at each `stride`-th pixel of each axis."""
    height, width = planes.shape[-2:]
    room = min(height, width)
    count = min(_TAPS, room - (room + 1) % 2)  # a tiny crop has no room for the whole window
    rows, columns = (_window(size, count, stride, planes) for size in (height, width))
    return rows.T @ (planes @ columns)


def _scale(
    first: torch.Tensor, second: torch.Tensor, data_range: float, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean luminance·structure and structure terms of every plane (M,)."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    # only the sum of both variances is needed; and the real stain's mean has no gradient
    moments = torch.cat([first, first * first + second * second, first * second])
    mean1, squares, product = _smooth(moments, stride).chunk(3)
    mean2 = _smooth(second, stride)
    both, cross = mean1**2 + mean2**2, mean1 * mean2
    structure = (2 * (product - cross) + c2) / ((squares - both).clamp(min=0) + c2)
    luminance = (2 * cross + c1) / (both + c1)
    return (luminance * structure).mean((1, 2)), structure.mean((1, 2))


def ms_ssim(
    first: torch.Tensor, second: torch.Tensor, data_range: float = 1.0, stride: int = 1
) -> torch.Tensor:
    """Return the multi-scale structural similarity, mean over images and channels.

    Wang, Simoncelli and Bovik 2003. As many of the five scales as the image has room for
    (five need 176 px); their weights are made to sum to 1.

    Parameters
    ----------
    first, second
        (N, C, Y, X).
    data_range
        Range of the intensities. Default: 1.
    stride
        Distance in px of the places where the similarity is taken, at each scale: with 2 a
        quarter of them, at a third of the cost. The finest scale, which has most pixels and the
        least weight, is then taken at every fourth. Default: 1, all.
    """
    room = min(first.shape[-2:])
    scales = max(1, sum(room // 2**level >= _TAPS for level in range(len(_WEIGHTS))))
    weights = torch.tensor(_WEIGHTS[:scales], device=first.device)
    weights = weights / weights.sum()
    first, second = (x.float().flatten(0, 1) for x in (first, second))
    result = torch.ones(len(first), device=first.device)
    for level in range(scales):
        if level:
            first, second = (functional.avg_pool2d(x, 2) for x in (first, second))
        step = stride if level else stride**2
        both, structure = _scale(first, second, data_range, step)
        term = both if level == scales - 1 else structure
        # a negative correlation to a fractional power is not a number
        result = result * term.clamp(min=1e-4) ** weights[level]
    return result.mean()
