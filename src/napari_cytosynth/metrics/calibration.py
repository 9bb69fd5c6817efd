"""Calibration of the standard deviation of samples to the size of the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_cytosynth.errors import InputError

from .uncertainty import COVERAGE_GOALS, sigma_nearest_goals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Values = NDArray[np.float64]

__all__ = ["SigmaFit", "calibrated_sigma", "fit_sigma"]

_MAX_FITTED = 60_000


class SigmaFit(NamedTuple):
    """The three numbers of :func:`calibrated_sigma`.

    Attributes
    ----------
    scale, slope
        Factors without unit.
    floor
        In the units of the samples' standard deviation.
    """

    scale: float
    floor: float
    slope: float


def calibrated_sigma(
    std: ArrayLike,
    scale: float,
    floor: float,
    slope: float = 0.0,
    level: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Return ``sqrt((scale * std)² + (slope * level)² + floor²)``.

    The standard deviation of the samples shows what the model does not know; the other two
    terms stand for what no model can: how much stain a cell took up (in proportion to its
    brightness), and the noise of the camera (Kendall and Gal 2017, arXiv:1703.04977).

    Parameters
    ----------
    std
        Standard deviation of the samples, in any units.
    scale, floor, slope
        See :class:`SigmaFit`.
    level
        Predicted intensity above background, in the units of `std`; negative ones count
        as 0. Needed for a `slope` that is not 0.

    Raises
    ------
    InputError
        If the level is needed and missing.
    """
    sigma: NDArray[np.float32] = np.hypot(
        np.asarray(std, np.float32) * np.float32(scale), np.float32(floor)
    )
    if not slope:
        return sigma
    if level is None:
        raise InputError("This calibration needs the predicted intensities too.")
    bright = np.maximum(np.asarray(level, np.float32), 0) * np.float32(slope)
    result: NDArray[np.float32] = np.hypot(sigma, bright)
    return result


def fit_sigma(error: ArrayLike, std: ArrayLike, level: ArrayLike | None = None) -> SigmaFit:
    """Fit the numbers of :func:`calibrated_sigma` to the errors.

    One and 1.96 sigma are fitted as the 68.3 % and 95 % quantiles of the absolute error, by
    quantile regression (Koenker and Bassett 1978) on logarithms, in which faint and bright
    pixels count alike; then all three numbers are scaled together, so that the fractions
    within one and 1.96 sigma come as near as possible to 68.3 and 95 %.

    Parameters
    ----------
    error
        Prediction minus truth, on images that the network did not learn from. At most
        60,000 evenly spaced ones are used.
    std
        Standard deviation of the samples, in the same units.
    level
        Predicted intensity above background, in the same units; None (default) leaves its
        term out.

    Raises
    ------
    InputError
        If the shapes differ, or there is nothing or a value that is not finite.
    """
    arrays = [np.asarray(array, np.float64).ravel() for array in (error, std)]
    arrays.append(np.zeros(arrays[0].shape) if level is None else np.ravel(level).astype(float))
    if len({array.size for array in arrays}) > 1 or not arrays[0].size:
        raise InputError("Errors, spreads and levels must be as many, and at least one.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError("Errors, spreads and levels must be finite numbers.")
    step = -(-arrays[0].size // _MAX_FITTED)
    e, s, bright = (array[::step] for array in arrays)
    e, bright = np.abs(e), np.maximum(bright, 0)
    fitted = _quantile_regression(e, s, bright)
    factor = sigma_nearest_goals(np.sort(e / np.maximum(_sigma(fitted, s, bright), 1e-30)))
    return SigmaFit(*(factor * value for value in fitted))


def _sigma(fit: SigmaFit, std: Values, level: Values) -> Values:
    return np.sqrt((fit.scale * std) ** 2 + (fit.slope * level) ** 2 + fit.floor**2)


def _quantile_regression(error: Values, std: Values, level: Values) -> SigmaFit:
    from scipy.optimize import minimize

    unit = float(np.median(error)) or float(error.max()) or 1.0
    terms = [std, level]
    sizes = [float(np.sqrt(np.mean(term**2))) for term in terms]
    used = [number for number, size in enumerate(sizes) if size > 0]
    logs = np.log(np.maximum(error, 1e-6 * unit))

    def unpack(parameters: Values) -> SigmaFit:
        values = [0.0, 0.0]
        for number, parameter in zip(used, parameters[1:], strict=True):
            values[number] = float(np.exp(parameter)) * unit / sizes[number]
        return SigmaFit(values[0], float(np.exp(parameters[0])) * unit, values[1])

    def loss(parameters: Values) -> float:
        sigma = np.log(_sigma(unpack(parameters), std, level))
        total = 0.0
        for factor, fraction in COVERAGE_GOALS:
            miss = logs - sigma - np.log(factor)
            total += float(np.mean(np.maximum(fraction * miss, (fraction - 1) * miss)))
        # a term that helps nothing goes to nothing, not to minus infinity
        return total + 1e-6 * float(np.square(parameters).sum())

    # from small and from large factors: the loss has more than one valley
    starts = [[0.0] + [first] * len(used) for first in (0.0, 2.0)]
    options = {"xatol": 1e-3, "fatol": 1e-6, "maxiter": 600}
    found = [minimize(loss, start, method="Nelder-Mead", options=options) for start in starts]
    return unpack(min(found, key=lambda result: float(result.fun)).x)
