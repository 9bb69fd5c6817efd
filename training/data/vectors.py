"""Vector channels of crops: directions that are mirrored and turned with the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mirror_vectors", "turn_vectors"]


def mirror_vectors(
    window: NDArray[np.float32], start: tuple[int, int], shape: tuple[int, ...]
) -> None:
    """Mirror the vectors of a window, in place, where it is a reflection of its image.

    Parameters
    ----------
    window
        (2, y, x) components along Y and X.
    start
        First row and column of the window in the image; they may lie outside.
    shape
        (Y, X) of the image.
    """
    for axis, length in enumerate(shape):
        period = max(2 * (length - 1), 1)
        position = np.arange(start[axis], start[axis] + window.shape[axis + 1]) % period
        sign = np.where(position > length - 1, -1, 1).astype(np.float32)
        window[axis] *= sign[:, None] if axis == 0 else sign


def turn_vectors(vectors: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Turn vectors that were sampled on a grid, by the inverse of its local deformation.

    Parameters
    ----------
    vectors
        (2, S, S) components along Y and X, in the directions of the image.
    grid
        (1, S, S, 2) the place, X before Y, that each pixel was sampled at.

    Returns
    -------
    Tensor
        (2, S, S) in the directions of the crop; lengths stay as they are.
    """
    along_y, along_x = torch.gradient(grid[0], dim=(0, 1))
    xx, yx = along_x[..., 0], along_x[..., 1]  # change of the sampled x and y along x
    xy, yy = along_y[..., 0], along_y[..., 1]
    y, x = vectors
    sign = torch.sign(xx * yy - xy * yx)
    turned = torch.stack([xx * y - yx * x, yy * x - xy * y]) * sign
    # hypot is ten times as fast here as a norm along the first axis
    length = torch.hypot(turned[0], turned[1]).clamp(min=1e-20)
    return turned * (torch.hypot(y, x) / length)
