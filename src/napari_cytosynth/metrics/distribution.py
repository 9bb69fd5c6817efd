"""Distances between the distributions of generated and real images.

Distances of features depend on the extractor, on the number of images and on the crops:
they mean something only beside the same distance of two sets of real images, and of noise.

References
----------
Heusel et al. 2017, arXiv:1706.08500 (Fréchet distance); Bińkowski et al. 2018,
arXiv:1801.01401 (kernel distance, unbiased).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from ._samples import same_width, stack
from .population import wasserstein

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "area_distance",
    "bootstrap_interval",
    "foreground_fractions",
    "frechet_distance",
    "intensity_distance",
    "kernel_distance",
]


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the squared Fréchet distance of the Gaussians fitted to two sets of features.

    It is biased: the fewer images, the larger. Compare only figures of the same number.

    Parameters
    ----------
    first, second
        (N, D) and (M, D), one row for each image; N and M may lie below D.

    Returns
    -------
    float
        0 for equal mean and covariance; in squared units of the features.

    Raises
    ------
    InputError
        If a set has fewer than two images, the widths differ, or a value is not finite.
    """
    a, b = same_width(first, second, 2)
    shift = a.mean(axis=0) - b.mean(axis=0)
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    # tr √(Σa Σb) = ‖Ra Rbᵀ‖ₙᵤ꜀ with Σ = RᵀR: no square root of a singular matrix is needed
    common = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    covariances = (root_a**2).sum() + (root_b**2).sum() - 2 * common
    return max(float(shift @ shift + covariances), 0.0)


def _covariance_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R, upper triangular, with RᵀR the unbiased covariance."""
    centred = values - values.mean(axis=0)
    return np.asarray(np.linalg.qr(centred / np.sqrt(len(values) - 1), mode="r"))


def kernel_distance(
    first: ArrayLike,
    second: ArrayLike,
    subset: int = 200,
    subsets: int = 50,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the unbiased squared kernel distance (KID) of two sets of features.

    The kernel is ``(x · y / D + 1)³``. Unbiased: 0 on average for two sets from one
    distribution, whatever their number; it may come out negative.

    Parameters
    ----------
    first, second
        (N, D) and (M, D), one row for each image.
    subset
        Images of each set in one estimate; fewer where a set is smaller. Default: 200.
    subsets
        Number of estimates. Default: 50.
    seed
        Of the draws. Default: 0.

    Returns
    -------
    mean, std
        Over the subsets. They share images, so `std` is not an error of the mean.

    Raises
    ------
    InputError
        If a set has fewer than two images, the widths differ, or a value is not finite.
    """
    a, b = same_width(first, second, 2)
    size = min(subset, len(a), len(b))
    if size < 2 or subsets < 1:
        raise InputError("The kernel distance needs subsets of at least two images.")
    rng = np.random.default_rng(seed)
    found = [
        _squared_mmd(*(x[rng.choice(len(x), size, replace=False)] for x in (a, b)))
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def _squared_mmd(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    count, width = a.shape

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = (x @ y.T / width + 1) ** 3
        return values

    def others(x: NDArray[np.float64]) -> float:
        values = kernel(x, x)
        return float((values.sum() - values.trace()) / (count * (count - 1)))

    return others(a) + others(b) - 2 * float(kernel(a, b).mean())


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: ArrayLike,
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic.

    For means, medians and fractions. A bootstrap draw holds images twice, which moves a
    Fréchet distance or a coverage: for those resample the split of the images instead.

    Parameters
    ----------
    statistic
        Called with as many arrays as there are `samples`.
    *samples
        Each is redrawn along its first axis, by itself.
    draws
        Number of redrawn sets. Default: 200.
    level
        In (0, 1): the fraction of draws inside the interval. Default: 0.95.
    seed
        Of the draws. Default: 0.

    Returns
    -------
    low, high
        In the units of the statistic.

    Raises
    ------
    InputError
        If a sample is empty, or the level does not lie between 0 and 1.
    """
    arrays = [np.asarray(sample) for sample in samples]
    if not arrays or not all(array.ndim and len(array) for array in arrays):
        raise InputError("An interval needs at least one image in each set.")
    if not 0 < level < 1 or draws < 1:
        raise InputError(f"The level must lie between 0 and 1, not {level}; draws above 0.")
    rng = np.random.default_rng(seed)
    found = [
        statistic(*(array[rng.integers(len(array), size=len(array))] for array in arrays))
        for _ in range(draws)
    ]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def intensity_distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of the intensities of two sets of images, channel by channel.

    Parameters
    ----------
    first, second
        (N, C, Y, X) and (M, C, Y, X), in the same units; all pixels of a channel are pooled.

    Returns
    -------
    ndarray
        (C,): Wasserstein-1 distances, in the units of the images.

    Raises
    ------
    InputError
        If the channels or sizes differ, or a pixel is not a number.
    """
    a = stack(first)
    b = stack(second, a)
    return np.array([wasserstein(a[:, c], b[:, c]) for c in range(a.shape[1])])


def foreground_fractions(masks: ArrayLike) -> NDArray[np.float64]:
    """Return the foreground fraction of every mask.

    Parameters
    ----------
    masks
        (N, Y, X); anything that is not 0 is foreground.

    Returns
    -------
    ndarray
        (N,) in [0, 1].

    Raises
    ------
    InputError
        If there is no mask, or the array has other axes.
    """
    array: NDArray[Any] = np.asarray(masks)
    if array.ndim != 3 or not array.size:
        raise InputError(f"Masks must have the axes sample, y, x, not {array.shape}.")
    fractions: NDArray[np.float64] = (array != 0).mean(axis=(1, 2))
    return fractions


def area_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Wasserstein-1 distance of two sets of masks in foreground fraction.

    Parameters and errors as for :func:`foreground_fractions`.

    Returns
    -------
    float
        In [0, 1]: by how much of the image's area the masks differ on average.
    """
    return wasserstein(foreground_fractions(first), foreground_fractions(second))
