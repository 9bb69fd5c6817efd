"""Similarity of two intensity images, on a given intensity range.

No function here rescales an image: a range taken from each image by itself hides a stain
that is too dim, and makes the figures of two images incomparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError

from .pixel import same_shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ms_ssim", "nrmse", "psnr", "rmse", "ssim"]

# of the five scales, from the finest on (Wang, Simoncelli, Bovik 2003)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SIGMA, _RADIUS = 1.5, 5


def _planes(
    pred: ArrayLike, true: ArrayLike, data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, t = (array.astype(np.float64) for array in same_shape(pred, true))
    if not (np.isfinite(data_range) and data_range > 0):
        raise InputError(f"The range of the intensities must be above 0, not {data_range}.")
    return p, t


def rmse(pred: ArrayLike, true: ArrayLike) -> float:
    """Return the root mean squared difference of two images, in their own units."""
    p, t = same_shape(pred, true)
    return float(np.sqrt(np.mean((p.astype(np.float64) - t.astype(np.float64)) ** 2)))


def nrmse(pred: ArrayLike, true: ArrayLike, data_range: float) -> float:
    """Return the root mean squared difference over the range of the intensities.

    Parameters
    ----------
    pred, true
        Images of the same shape, in the same units.
    data_range
        Range of the intensities in those units.

    Returns
    -------
    float
        0 for equal images.

    Raises
    ------
    InputError
        If the shapes differ or the range is not positive.
    """
    p, t = _planes(pred, true, data_range)
    return rmse(p, t) / data_range


def psnr(pred: ArrayLike, true: ArrayLike, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB, ``-20 log10(nrmse)``; inf for equal images.

    Parameters and errors as for :func:`nrmse`.
    """
    error = nrmse(pred, true, data_range)
    return -20 * float(np.log10(error)) if error else float("inf")


def _terms(
    p: NDArray[np.float64], t: NDArray[np.float64], data_range: float
) -> tuple[float, float]:
    """Return the means of luminance times structure, and of structure alone."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2

    def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = ndimage.gaussian_filter(plane, _SIGMA, radius=_RADIUS)
        inner: NDArray[np.float64] = blurred[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
        return inner

    mean_p, mean_t = smooth(p), smooth(t)
    # about a common level: the variances of camera counts drown in their squares otherwise
    level = float(t.mean())
    p, t = p - level, t - level
    shift_p, shift_t = mean_p - level, mean_t - level
    covariance = smooth(p * t) - shift_p * shift_t
    variances = smooth(p * p) - shift_p**2 + smooth(t * t) - shift_t**2
    structure = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    return float((luminance * structure).mean()), float(structure.mean())


def _check_room(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or min(shape) <= 2 * _RADIUS:
        raise InputError(
            f"Structural similarity needs planes (Y, X) of at least {2 * _RADIUS + 1} px on a "
            f"side, not {shape}."
        )


def ssim(pred: ArrayLike, true: ArrayLike, data_range: float) -> float:
    """Return the structural similarity of two planes (Wang et al. 2004).

    A Gaussian window of sigma 1.5 px and 11 px across, as in the paper; windows that
    reach over the border are left out.

    Parameters
    ----------
    pred, true
        (Y, X), in the same units, without rescaling.
    data_range
        Range of the intensities in those units.

    Returns
    -------
    float
        In [-1, 1]; 1 for equal planes.

    Raises
    ------
    InputError
        If the shapes differ, a plane is smaller than the window or the range is not
        positive.
    """
    p, t = _planes(pred, true, data_range)
    _check_room(p.shape)
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            p,
            t,
            data_range=data_range,
            gaussian_weights=True,
            sigma=_SIGMA,
            use_sample_covariance=False,
        )
    )


def ms_ssim(pred: ArrayLike, true: ArrayLike, data_range: float) -> float:
    """Return the multi-scale structural similarity (Wang, Simoncelli and Bovik 2003).

    As many of the five scales as the plane has room for (five need 176 px); their weights
    are made to sum to 1. A negative structure term counts as 0.

    Parameters and errors as for :func:`ssim`.

    Returns
    -------
    float
        In [0, 1]; 1 for equal planes.
    """
    p, t = _planes(pred, true, data_range)
    _check_room(p.shape)
    room = min(p.shape)
    scales = sum(room // 2**level > 2 * _RADIUS for level in range(len(SCALE_WEIGHTS)))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    result = 1.0
    for level in range(scales):
        if level:
            p, t = _halved(p), _halved(t)
        both, structure = _terms(p, t, data_range)
        term = both if level == scales - 1 else structure
        result *= max(term, 0.0) ** weights[level]
    return float(result)


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = (size // 2 for size in plane.shape)
    blocks = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    mean: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return mean
