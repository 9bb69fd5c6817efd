"""Normalisation of a plane's intensities to a network's input range.

Training and inference both use these functions, so that a network meets the same numbers
in both. The scaling is measured once for a whole plane and then applied tile by tile: a
scaling measured per tile would leave seams.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_cytosynth.zoo.card import Normalisation

__all__ = [
    "MAX_SAMPLES",
    "Scaling",
    "local_contrast",
    "normalise",
    "plane_scaling",
    "tile_transform",
]

MAX_SAMPLES = 1_000_000
"""Statistics of a plane are taken from at most so many evenly spaced pixels."""


@dataclass(frozen=True)
class Scaling:
    """An affine map of intensities: ``(x - offset) * scale``.

    Attributes
    ----------
    offset
        The intensity that becomes 0, in units of the image.
    scale
        Factor after the subtraction; 0 for a plane without contrast, which so becomes zeros.
    """

    offset: float
    scale: float

    def apply(self, pixels: ArrayLike) -> NDArray[np.float32]:
        """Scale an array of any shape; NaN and infinite pixels become 0.

        Raises
        ------
        InputError
            If the pixels are not real numbers.
        """
        array = real_numbers(np.asarray(pixels))
        # Large integers and float64 lose too much if they are rounded before the subtraction.
        exact = np.float64 if array.dtype.itemsize > 2 and array.dtype != np.float32 else np.float32
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.subtract(array.astype(exact), exact(self.offset), dtype=exact)
            result: NDArray[np.float32] = np.multiply(scaled, exact(self.scale)).astype(np.float32)
        result[~np.isfinite(result)] = 0
        return result


def plane_scaling(plane: Any, normalisation: Normalisation) -> Scaling:
    """Measure the scaling of one channel of one plane.

    Parameters
    ----------
    plane
        Array-like (Y, X) of one channel: bool, integer or real; numpy, memmap, zarr or dask.
        At most :data:`MAX_SAMPLES` evenly spaced pixels of it are used.
    normalisation
        The model card's block of that name.

    Returns
    -------
    Scaling
        ``scale`` is 0 where the plane is constant, empty or has no finite pixel. NaN and
        infinite pixels are ignored.

    Raises
    ------
    InputError
        If the pixels are not real numbers, or the kind is 'local': that one depends on
        neighbours, so that only :func:`normalise` can apply it.
    """
    if normalisation.kind == "local":
        raise InputError("A local contrast is measured on a whole plane, not as one scaling.")
    if normalisation.kind == "fixed":
        unit = _type_range(np.dtype(plane.dtype))
        return Scaling(normalisation.mean * unit, 1 / (normalisation.std * unit))
    samples = _samples(plane)
    if samples.size == 0:
        return Scaling(0.0, 0.0)
    if normalisation.kind == "zscore":
        return _checked(float(samples.mean()), float(samples.std()))
    low, high = np.percentile(samples, [normalisation.low, normalisation.high])
    if not low < high:
        # A few objects on an empty background: their range is all there is to go by.
        low, high = samples.min(), samples.max()
    return _checked(float(low), float(high - low))


def normalise(plane: Any, normalisation: Normalisation) -> NDArray[np.float32]:
    """Normalise a whole plane, channel by channel.

    Parameters
    ----------
    plane
        (Y, X) or (C, Y, X) array of bool, integers or real numbers.
    normalisation
        The model card's block of that name.

    Returns
    -------
    ndarray
        float32 of the same shape; NaN and infinite pixels have become 0.

    Raises
    ------
    InputError
        If the plane has another number of axes or its pixels are not real numbers.
    """
    array = np.asarray(plane)
    if array.ndim == 2:
        return _scaled(array, normalisation)
    if array.ndim != 3:
        raise InputError(f"A plane has the axes (Y, X) or (C, Y, X), not {array.ndim} axes.")
    result = np.empty(array.shape, np.float32)
    for channel, pixels in enumerate(array):
        result[channel] = _scaled(pixels, normalisation)
    return result


def _scaled(plane: NDArray[Any], normalisation: Normalisation) -> NDArray[np.float32]:
    if normalisation.kind == "local":
        return local_contrast(plane, normalisation.sigma, normalisation.std)
    return plane_scaling(plane, normalisation).apply(plane)


def local_contrast(plane: NDArray[Any], sigma: float, std: float = 1.0) -> NDArray[np.float32]:
    """Return (x / local mean - 1) / std of a transmitted-light image.

    The lamp's brightness, the camera's gain and slow shading all cancel; what is left is
    how much darker or brighter than its surroundings each pixel is.

    Parameters
    ----------
    plane
        (Y, X) of real numbers, proportional to the light.
    sigma
        Of the Gaussian local mean, in px.
    std
        The contrast that becomes 1. Default: 1.0.

    Returns
    -------
    ndarray
        float32 (Y, X); 0 where a pixel is not finite or its surroundings are dark.
    """
    pixels = Scaling(0.0, 1.0).apply(plane)
    known = np.isfinite(plane)
    weight: Any = 1.0
    if not known.all():  # a hole must not darken its surroundings
        weight = ndimage.gaussian_filter(known.astype(np.float32), sigma, truncate=3.0)
        weight = np.maximum(weight, 1e-6)
    mean = ndimage.gaussian_filter(pixels, sigma, mode="reflect", truncate=3.0) / weight
    lit = known & (mean > 1e-6 * max(float(np.abs(pixels).max(initial=0)), 1e-30))
    result = np.zeros(pixels.shape, np.float32)
    np.divide(pixels, mean, out=result, where=lit)
    result[lit] = (result[lit] - 1) / np.float32(std)
    return result


def tile_transform(
    scalings: Sequence[Scaling],
) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Build the transform (C, h, w) -> float32 (C, h, w) that scales each channel of a tile."""

    def transform(tile: NDArray[Any]) -> NDArray[np.float32]:
        result = np.empty(tile.shape, np.float32)
        for channel, (pixels, scaling) in enumerate(zip(tile, scalings, strict=True)):
            result[channel] = scaling.apply(pixels)
        return result

    return transform


def _checked(offset: float, width: float) -> Scaling:
    """Return the scaling to a range or std; zeros if it is too small to divide by."""
    # Rounding alone gives a constant float plane a standard deviation of about 1e-16 of it.
    smallest = max(1e-12 * abs(offset), float(np.finfo(np.float32).tiny))
    if not (math.isfinite(width) and width > smallest):
        return Scaling(offset, 0.0)
    return Scaling(offset, 1 / width)


def _samples(plane: Any) -> NDArray[np.float64]:
    """Return at most `MAX_SAMPLES` finite pixels of an array-like, evenly spaced, in float64."""
    shape = tuple(int(size) for size in plane.shape)
    step = 1
    while math.prod(-(-size // step) for size in shape) > MAX_SAMPLES:
        step += 1
    pixels = real_numbers(np.asarray(plane[tuple(slice(None, None, step) for _ in shape)]))
    samples = pixels.astype(np.float64).ravel()
    return samples[np.isfinite(samples)]


def real_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Check that an array holds real numbers; return it unchanged.

    Raises
    ------
    InputError
        If it holds complex numbers, texts or the like.
    """
    if array.dtype.kind not in "buif":
        raise InputError(
            f"The image holds values of type {array.dtype}; only yes/no, integer and real "
            "numbers can be used. Convert it first (of complex numbers, take the absolute value)."
        )
    return array


def _type_range(dtype: np.dtype[Any]) -> float:
    """Return the largest value of an integer type; 1 for bool and floats."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
