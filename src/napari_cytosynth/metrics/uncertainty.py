"""Quality of a predicted standard deviation: its calibration and its ranking of errors.

Every function takes arrays of any, but equal, shape; axes do not matter. An error is
prediction minus truth, sigma the standard deviation that was predicted for it, both in the
same units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .pixel import same_shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "COVERAGE_GOALS",
    "Reliability",
    "Sparsification",
    "coverage",
    "ence",
    "reliability",
    "sigma_nearest_goals",
    "sparsification",
    "spearman",
]

COVERAGE_GOALS: tuple[tuple[float, float], ...] = ((1.0, 0.6827), (1.96, 0.95))
"""Number of sigmas, and the fraction of a Gaussian's errors within them."""


def _flat(error: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    e, s = (array.astype(np.float64).ravel() for array in same_shape(error, score))
    if e.size == 0 or not (np.isfinite(e).all() and np.isfinite(s).all()):
        raise InputError("Errors and uncertainties must be finite numbers, at least one of each.")
    return np.abs(e), s


def coverage(error: ArrayLike, sigma: ArrayLike, factor: float = 1.0) -> float:
    """Return the fraction of the errors that lie within ``factor * sigma``.

    Parameters
    ----------
    error
        Prediction minus truth.
    sigma
        Predicted standard deviation of each, not negative.
    factor
        1 for an interval that should hold 68.3 %, 1.96 for one of 95 %. Default: 1.0.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If the shapes differ, or there is nothing or a value that is not finite.
    """
    e, s = _flat(error, sigma)
    return float(np.mean(e <= factor * s))


def sigma_nearest_goals(errors: NDArray[np.float64], weight: float = 1.0) -> float:
    """Return the sigma for which both fractions of :data:`COVERAGE_GOALS` come nearest.

    Below the smaller of the two exact ones both fractions are too small, above the larger both
    are too large: the best lies in between.

    Parameters
    ----------
    errors
        Absolute errors, sorted.
    weight
        Of a miss of the second fraction, that of the rare large errors. Default: 1.
    """
    exact = [np.quantile(errors, fraction) / factor for factor, fraction in COVERAGE_GOALS]
    tried = np.linspace(min(exact), max(exact), 41)
    many, rare = (
        np.searchsorted(errors, factor * tried, side="right") / errors.size - fraction
        for factor, fraction in COVERAGE_GOALS
    )
    return float(tried[int(np.argmin(np.hypot(many, weight * rare)))])


def spearman(error: ArrayLike, score: ArrayLike) -> float:
    """Return Spearman's rank correlation of |error| and a score; 0 if one is constant.

    Parameters and errors as for :func:`coverage`; the score may be of any kind.
    """
    from scipy.stats import spearmanr

    e, s = _flat(error, score)
    if np.ptp(e) == 0 or np.ptp(s) == 0:
        return 0.0
    return float(spearmanr(e, s).statistic)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted and found size of the errors, in groups of equal count by rising sigma.

    Attributes
    ----------
    predicted
        Root mean squared sigma of each group.
    found
        Root mean squared error of each group.
    count
        Number of errors in each group.
    """

    predicted: NDArray[np.float64]
    found: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def ence(self) -> float:
        """Expected normalised calibration error; see :func:`ence`."""
        gap = np.abs(self.predicted - self.found)
        with np.errstate(divide="ignore"):
            ratio = np.divide(gap, self.predicted, out=np.zeros_like(gap), where=gap > 0)
        return float(ratio.mean())


def reliability(error: ArrayLike, sigma: ArrayLike, bins: int = 20) -> Reliability:
    """Group the errors by their sigma, and compare both in each group.

    Parameters
    ----------
    error, sigma
        As for :func:`coverage`.
    bins
        Number of groups of equal count. Default: 20.

    Raises
    ------
    InputError
        As :func:`coverage`, or if there are fewer errors than groups.
    """
    e, s = _flat(error, sigma)
    if not 1 <= bins <= e.size:
        raise InputError(f"{e.size} errors cannot be put into {bins} groups.")
    order = np.argsort(s, kind="stable")
    starts = np.arange(bins) * e.size // bins
    count = np.diff([*starts, e.size])
    predicted, found = (
        np.sqrt(np.add.reduceat(values[order] ** 2, starts) / count) for values in (s, e)
    )
    return Reliability(predicted, found, count)


def ence(error: ArrayLike, sigma: ArrayLike, bins: int = 20) -> float:
    """Return the expected normalised calibration error (Levi et al. 2022).

    The mean over groups of equal count by rising sigma of ``|rms sigma - rms error| / rms
    sigma``: 0 for a perfectly calibrated sigma; infinite where sigma is 0 and errors are not.

    Parameters and errors as for :func:`reliability`.
    """
    return reliability(error, sigma, bins).ence


@dataclass(frozen=True, eq=False)
class Sparsification:
    """The mean absolute error that remains when the most uncertain pixels are left out.

    Attributes
    ----------
    removed
        Shares left out, from 0 up.
    remaining
        Mean absolute error of the rest, relative to that of all.
    oracle
        The same when the largest errors themselves are left out first.
    """

    removed: NDArray[np.float64]
    remaining: NDArray[np.float64]
    oracle: NDArray[np.float64]

    @property
    def ause(self) -> float:
        """Area between the two curves: 0 for a perfect order (Ilg et al. 2018)."""
        return float(np.trapezoid(self.remaining - self.oracle, self.removed))


def sparsification(error: ArrayLike, score: ArrayLike, steps: int = 100) -> Sparsification:
    """Leave out ever more of the pixels with the highest score.

    Parameters
    ----------
    error
        Prediction minus truth.
    score
        High where errors are expected: a sigma, or any rival of it, such as the predicted
        intensity. Pixels of equal score are left out in no particular order, which a mean
        over all such orders stands for.
    steps
        Number of steps of equal size; the last leaves ``1 / steps`` of the pixels. Default: 100.

    Raises
    ------
    InputError
        As :func:`coverage`, or if there are fewer pixels than steps.
    """
    e, s = _flat(error, score)
    if not 1 <= steps <= e.size:
        raise InputError(f"{e.size} pixels cannot be left out in {steps} steps.")
    kept = e.size - np.arange(steps) * e.size // steps
    total = e.mean() or 1.0
    curves = [np.cumsum(values)[kept - 1] / kept / total for values in (_by(e, s), np.sort(e))]
    return Sparsification(1 - kept / e.size, *curves)


def _by(error: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the errors by rising score, equal scores sharing their mean error."""
    order = np.argsort(score, kind="stable")
    ranked, errors = score[order], error[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=np.nan) != 0)
    if len(starts) == len(errors):
        return errors
    count = np.diff([*starts, len(errors)])
    shared: NDArray[np.float64] = np.repeat(np.add.reduceat(errors, starts) / count, count)
    return shared
