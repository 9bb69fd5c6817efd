"""Partly known truth: crops around what is annotated, of which only the known part is taught."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["annotated_place", "known_maps", "settle_known"]

_JITTER = 0.2  # of a crop's side: what is annotated stays inside, however the crop is turned


def known_maps(maps: NDArray[np.float32], known: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Stack target maps, zero where they are unknown, and what is known of them.

    Parameters
    ----------
    maps
        (C, Y, X).
    known
        (C, Y, X), of each map; None for everywhere.

    Returns
    -------
    ndarray
        (2 C, Y, X) float32, to be warped like any image and then settled by
        :func:`settle_known`.
    """
    weights = np.ones_like(maps) if known is None else known.astype(np.float32)
    return np.concatenate([maps * weights, weights])


def settle_known(crop: torch.Tensor) -> torch.Tensor:
    """Return the targets of a warped crop, interpolated from known pixels alone.

    Parameters
    ----------
    crop
        (2 C, S, S), warped from :func:`known_maps`.

    Returns
    -------
    Tensor
        (2 C, S, S): the maps, 0 where less than half of what a pixel was interpolated from is
        known, and 1 where they are known, else 0.
    """
    maps, weights = crop.chunk(2)
    known = weights >= 0.5
    return torch.cat([torch.where(known, maps / weights.clamp(min=0.5), 0.0), known.float()])


def annotated_place(
    truth: NDArray[np.float32], size: int, share: float, level: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw the middle of a crop near an annotated pixel.

    Parameters
    ----------
    truth
        (2 C, Y, X) as of :func:`known_maps`.
    size
        Side of a crop in px.
    share, level
        Part of the crops around foreground, and the value of the first map from which it is.
    rng
        Source of the draws.
    """
    known = truth[len(truth) // 2 :].any(0)
    objects = known & (truth[0] > level)
    inside = np.flatnonzero(objects if rng.random() < share and objects.any() else known)
    height, width = known.shape
    y, x = divmod(int(inside[rng.integers(inside.size)]), width)
    most = int(_JITTER * size)
    down, right = rng.integers(-most, most + 1, 2).tolist()
    return min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)
