"""Diversity of generated images, by the similarity of their pairs.

Likeness is measured between generated images only: a likeness of generated to unpaired
real images means nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from ._samples import stack
from .image import ms_ssim

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["pair_similarities", "pairwise_diversity"]


def pair_similarities(
    images: ArrayLike, pairs: int = 200, seed: int = 0, data_range: float = 1.0
) -> NDArray[np.float64]:
    """Return the multi-scale structural similarity of random pairs from one set of images.

    Parameters
    ----------
    images
        (N, C, Y, X), at least 11 px on a side. Small images have fewer scales, see
        :func:`~napari_cytosynth.metrics.ms_ssim`: compare images of one size only.
    pairs
        Number of different pairs; all of them where there are fewer. Default: 200.
    seed
        Of the draw. Default: 0.
    data_range
        Range of the intensities: 1 for images in [0, 1]. Default: 1.0.

    Returns
    -------
    ndarray
        (P,) in [0, 1], means over the channels; 1 for two equal images.

    Raises
    ------
    InputError
        If there are fewer than two images, or they are too small.
    """
    array = stack(images)
    if len(array) < 2 or pairs < 1:
        raise InputError("Diversity needs at least two images, and one pair.")
    drawn = _pairs(len(array), pairs, np.random.default_rng(seed))
    return np.array(
        [
            np.mean([ms_ssim(p, q, data_range) for p, q in zip(array[i], array[j], strict=True)])
            for i, j in drawn
        ]
    )


def _pairs(count: int, pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw (P, 2) different pairs without repeats, none of an image with itself."""
    total = count * (count - 1) // 2
    number = np.sort(rng.choice(total, min(pairs, total), replace=False))
    # pairs in the order (0, 1), (0, 2), (1, 2), (0, 3) …
    later = ((1 + np.sqrt(1 + 8 * number.astype(np.float64))) / 2).astype(np.int64)
    return np.stack([number - later * (later - 1) // 2, later], axis=1)


def pairwise_diversity(
    images: ArrayLike, pairs: int = 200, seed: int = 0, data_range: float = 1.0
) -> float:
    """Return the mean of :func:`pair_similarities`: the lower, the more the images differ.

    A generator that has collapsed lies near 1. More varied than the real images is no
    virtue either: noise differs from noise.

    Parameters and errors as for :func:`pair_similarities`.
    """
    return float(pair_similarities(images, pairs, seed, data_range).mean())
