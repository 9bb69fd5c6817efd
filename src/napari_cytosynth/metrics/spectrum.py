"""Texture as power at each spatial frequency, and noise that has the same texture.

References
----------
Durall, Keuper, Keuper 2020, arXiv:2003.01826: generators miss the spectrum of real images.
Odena, Dumoulin, Olah 2016, doi:10.23915/distill.00003: upsampling leaves a checkerboard. Mean
over overlapping windows: Welch 1967, doi:10.1109/TAU.1967.1161901.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft

from napari_cytosynth.errors import InputError

from ._samples import stack

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "gaussian_matched",
    "grid_peak",
    "grid_power",
    "grid_power_ratio",
    "radial_frequencies",
    "radial_spectrum",
    "spectrum_distance",
]

# the rounding noise of 8-bit images in [0, 1]: below it a logarithm measures nothing
_FLOOR = (1 / 255) ** 2 / 12

_WINDOWS = (64, 32)  # px a side: the first that fits into the image
_GRID = [(y, x) for y in range(4) for x in range(4) if y or x]  # in quarters of a cycle per px
# kinds: 0 Nyquist; 1 period 4 along one axis; 2 along both; 3 along one, Nyquist along the other
_KINDS = np.array([y % 2 + x % 2 + 2 * ((y + x) % 2 == 1 and 2 in (y, x)) for y, x in _GRID])
_RING = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]  # in 16ths of a cycle per px


def _check_size(array: NDArray[Any]) -> None:
    if min(array.shape[-2:]) < 4:
        raise InputError(f"A spectrum needs at least 4 px on a side, not {array.shape[-2:]}.")


def _rings(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the ring of each frequency of a real transform; 0 is the mean alone."""
    y, x = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    rings: NDArray[np.int64] = np.rint(np.hypot(y, x) * min(shape)).astype(np.int64)
    rings[(rings == 0) & (np.hypot(y, x) > 0)] = 1  # of an oblong image
    return rings


def _weights(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the multiplicity of each frequency of a real transform in the full one."""
    weights = np.full((shape[0], shape[1] // 2 + 1), 2.0)
    weights[:, 0] = 1
    if shape[1] % 2 == 0:
        weights[:, -1] = 1
    return weights


def _window(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a Hann window, which suppresses the edges of a crop in the spectrum."""
    sides = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in shape]
    window: NDArray[np.float64] = np.outer(*sides)
    return window


def _ring_powers(array: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean cross power of the channels in every ring, (R, C, C), without the means.

    White noise of variance s² has s² on the diagonal of every ring but the lowest.
    """
    shape = array.shape[-2:]
    window, rings, weights = _window(shape), _rings(shape).ravel(), _weights(shape).ravel()
    number, channels = int(rings.max()) + 1, array.shape[1]
    total = np.zeros((channels, channels, rings.size))
    for image in array.astype(np.float64, copy=False):
        flat = image - image.mean(axis=(1, 2), keepdims=True)
        waves = fft.rfft2(flat * window).reshape(channels, -1)
        total += (waves[:, None] * waves[None].conj()).real
    total *= weights / (len(array) * (window**2).sum())
    counts = np.bincount(rings, weights, number)
    powers = [np.bincount(rings, row, number) / counts for row in total.reshape(-1, rings.size)]
    return np.reshape(powers, (channels, channels, number)).transpose(2, 0, 1)


def radial_frequencies(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the frequencies of :func:`radial_spectrum` for images of (Y, X), in cycles/px."""
    side = min(shape)
    return np.arange(1, side // 2 + 1) / side


def radial_spectrum(images: ArrayLike) -> NDArray[np.float64]:
    """Return the mean power of a set of images at each spatial frequency.

    Every image's own mean is removed and its edges are faded out (Hann window).

    Parameters
    ----------
    images
        (N, C, Y, X).

    Returns
    -------
    ndarray
        (C, R) with R = min(Y, X) // 2, at the frequencies of :func:`radial_frequencies`, in
        squared units of the images: white noise of variance s² has the power s² everywhere
        (a tenth less at the lowest, where the mean is missing).

    Raises
    ------
    InputError
        If the images are smaller than 4 px on a side, or a pixel is not a number.
    """
    array = stack(images)
    _check_size(array)
    powers = _ring_powers(array)[1 : min(array.shape[-2:]) // 2 + 1]
    return np.diagonal(powers, axis1=1, axis2=2).T.copy()


def spectrum_distance(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the log-spectral distance of two sets of images, channel by channel.

    Parameters
    ----------
    first, second
        (N, C, Y, X) and (M, C, Y, X), intensities on a range of about 1.

    Returns
    -------
    ndarray
        (C,): root mean square over the frequencies of the difference in dB.

    Raises
    ------
    InputError
        If the channels or sizes differ, the images are too small or not finite.
    """
    a = stack(first)
    one, other = (10 * np.log10(radial_spectrum(x) + _FLOOR) for x in (a, stack(second, a)))
    distances: NDArray[np.float64] = np.sqrt(((one - other) ** 2).mean(axis=1))
    return distances


def gaussian_matched(images: ArrayLike, seed: int = 0, count: int | None = None) -> NDArray[Any]:
    """Return noise with the means, covariances and radial spectra of a set of images.

    The baseline that a generator has to beat: everything of second order is right, and
    nothing has a shape.

    Parameters
    ----------
    images
        (N, C, Y, X), at least two.
    seed
        Of the noise. Default: 0.
    count
        Number of noise images; as many as there are images if it is not given.

    Returns
    -------
    ndarray
        (count, C, Y, X) float32, in the units of the images. Nothing is clipped: clipping
        would change the statistics.

    Raises
    ------
    InputError
        If there are fewer than two images, or they are too small or not finite.
    """
    array = stack(images).astype(np.float64)
    _check_size(array)
    if len(array) < 2:
        raise InputError("Noise can be matched to two images or more, not to one.")
    shape, channels = array.shape[-2:], array.shape[1]
    filters = _filters(array)[_rings(shape)]  # (Y, X / 2 + 1, C, C)
    middle = array.mean(axis=(0, 2, 3))[:, None, None]
    rng = np.random.default_rng(seed)
    result = np.empty((len(array) if count is None else count, *array.shape[1:]), np.float32)
    for noise in result:
        waves = fft.rfft2(rng.standard_normal((channels, *shape)))
        noise[:] = middle + fft.irfft2(np.einsum("yxij,jyx->iyx", filters, waves), shape)
    return result


def _filters(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each ring the (C, C) that turns white noise into the images' second order."""
    shape = array.shape[-2:]
    powers = _ring_powers(array)
    # the window hides the brightness of whole images, and what lies at the edges
    brightness = array.mean(axis=(2, 3))
    powers[0] = np.cov(brightness, rowvar=False).reshape(powers[0].shape) * np.prod(shape)
    inside = array.var(axis=(2, 3)).mean(axis=0)
    counts = np.bincount(_rings(shape).ravel(), _weights(shape).ravel())
    given = np.einsum("r,rcc->c", counts[1:], powers[1:]) / np.prod(shape)
    gain = np.sqrt(np.divide(inside, given, out=np.zeros_like(inside), where=given > 0))
    powers[1:] *= gain[:, None] * gain[None]
    values, vectors = np.linalg.eigh(powers)
    roots: NDArray[np.float64] = np.sqrt(values.clip(0))[:, None] * vectors
    filters: NDArray[np.float64] = roots @ vectors.transpose(0, 2, 1)
    return filters


def grid_power(images: ArrayLike) -> NDArray[np.float64]:
    """Return the power of images where upsampling leaves its traces, and beside that.

    A layer that doubles the size leaves a pattern of period 2 px, one before it another of
    period 4 px: power at the Nyquist frequency of an axis or of both, and at half of it. The
    power is the mean over half overlapping windows of 64 px (32 px in images smaller than
    that) whose own mean is removed and whose edges are faded out (Hann).

    Parameters
    ----------
    images
        (N, C, Y, X), at least 32 px a side. Pool sets of images by the mean of their results.

    Returns
    -------
    ndarray
        (C, 2, 15) in squared units of the images, for each multiple of a quarter of a cycle
        per px: the power there, and the geometric mean of the eight powers at a 16th of a
        cycle per px from it. White noise of variance s² has s² everywhere.

    Raises
    ------
    InputError
        If the images are smaller than 32 px on a side, or a pixel is not a number.
    """
    array = stack(images)
    side = next((side for side in _WINDOWS if side <= min(array.shape[-2:])), 0)
    if not side:
        raise InputError(
            f"Traces of upsampling show in images of at least {_WINDOWS[-1]} px on a side, not "
            f"{array.shape[-2:]}."
        )
    power = _welch(array, side)
    quarter, near = side // 4, side // 16
    rows, columns = (np.array(axis) * quarter for axis in zip(*_GRID, strict=True))
    around = [power[:, (rows + near * y) % side, (columns + near * x) % side] for y, x in _RING]
    logarithms = np.log(np.maximum(around, np.finfo(np.float64).tiny))
    return np.stack([power[:, rows, columns], np.exp(logarithms.mean(axis=0))], axis=1)


def _welch(array: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Return the mean power spectrum (C, side, side) of windows that overlap by half."""
    window = _window((side, side))
    total, count = np.zeros((array.shape[1], side, side)), 0
    starts = [range(0, n - side + 1, side // 2) for n in array.shape[-2:]]
    for image in array:
        for y in starts[0]:
            band = image[:, y : y + side].astype(np.float64)
            views = np.lib.stride_tricks.sliding_window_view(band, side, axis=2)[:, :, starts[1]]
            parts = views.swapaxes(1, 2)
            flat = parts - parts.mean(axis=(2, 3), keepdims=True)
            total += (np.abs(fft.fft2(flat * window)) ** 2).sum(axis=1)
            count += len(starts[1])
    power: NDArray[np.float64] = total / (count * (window**2).sum())
    return power


def grid_power_ratio(
    virtual: NDArray[np.float64], real: NDArray[np.float64], data_range: float
) -> NDArray[np.float64]:
    """Return how many times too strong the power on the grid of the upsampling is.

    The powers at the Nyquist frequency, (π, 0), (0, π) and (π, π), are added up; so are those of
    period 4 px along one axis, along both, and along one axis with π along the other. The
    result is the largest of the four ratios. They are added because a single one may be next
    to nothing in the real image, where its optics, or the filter of a reduction, have a zero.

    A large value means fine texture that the real image has not: a checkerboard, or any
    other (:func:`grid_peak` tells which). A value below 1 means blur. A value of 1 does
    not mean that there is no checkerboard: the camera noise of the real image counts, and where
    nothing else is left at these frequencies, a pattern of the power of that noise has a ratio
    of 1. Compare models on the same images only; the less noise those have, the larger the
    ratios. It does not say whether the pattern can be seen: that depends on its amplitude.

    Parameters
    ----------
    virtual, real
        Results of :func:`grid_power`, (C, 2, 15).
    data_range
        Range of the intensities: the rounding noise of 16 bits of it is added to both sides.

    Returns
    -------
    ndarray
        (C,), positive; exactly 1 for equal powers.
    """
    floor = _rounding(data_range, 16)
    one, other = (_means_of_kinds(power[:, 0]) + floor for power in (virtual, real))
    largest: NDArray[np.float64] = (one / other).max(axis=1)
    return largest


def grid_peak(power: NDArray[np.float64], data_range: float) -> NDArray[np.float64]:
    """Return how far the grid of the upsampling stands out of the spectrum.

    The power on the grid over that a 16th of a cycle per px beside it: the mean over the
    frequencies of each of the four kinds of :func:`grid_power_ratio`, of which the largest
    counts. Real images have about 1, however noisy or blurred, and so has fine texture of no
    period; a checkerboard below the camera noise of real images still shows. What the steps of
    an 8-bit display would hide does not count.

    Parameters
    ----------
    power
        Result of :func:`grid_power`, (C, 2, 15).
    data_range
        Range of the intensities: the rounding noise of 8 bits of it is added on and beside.

    Returns
    -------
    ndarray
        (C,), positive; 1 for a blank image, about 1 for white noise.
    """
    on, beside = (power + _rounding(data_range, 8)).swapaxes(0, 1)
    peaks: NDArray[np.float64] = _means_of_kinds(on / beside).max(axis=1)
    return peaks


def _means_of_kinds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means (C, 4) of the values (C, 15) on the grid over frequencies of one kind."""
    return np.stack([values[:, kind == _KINDS].mean(axis=1) for kind in range(4)], axis=1)


def _rounding(data_range: float, bits: int) -> float:
    """Return the power of rounding to so many bits, at every frequency."""
    return (data_range / (float(2**bits) - 1)) ** 2 / 12
