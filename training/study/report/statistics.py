"""Statistics over a handful of seeds: confidence intervals of means, and comparisons.

Student's t intervals for a mean, Welch's t test (Welch 1947) or the paired t test for two
arms, Holm's correction (Holm 1979) for many. Few seeds give wide intervals: that is the answer,
not a flaw of the test.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["INCONCLUSIVE", "ArmComparison", "compare", "holm", "mean_interval"]

_FEW, _IDENTICAL, _ALIKE = "fewer than two runs", "identical runs", "pairs that all differ alike"
INCONCLUSIVE = {
    _FEW: "each arm needs two runs or more",
    _IDENTICAL: "the runs of each arm are identical",
    _ALIKE: "all pairs of runs differ by the same amount",
}
"""Why two arms cannot be compared: in short -> in words."""


@dataclass(frozen=True)
class ArmComparison:
    """Two arms compared.

    Attributes
    ----------
    difference
        Mean of the first less mean of the second.
    low, high
        Confidence interval of the difference; NaN if inconclusive.
    p
        Two-sided p value that there is no difference; NaN if inconclusive.
    significant
        Whether p lies below the level of significance.
    words
        One sentence.
    inconclusive
        Why the runs allow no conclusion, one of :data:`INCONCLUSIVE`; empty where they do.
        Default: empty.
    """

    difference: float
    low: float
    high: float
    p: float
    significant: bool
    words: str
    inconclusive: str = ""


def mean_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean and its confidence interval by Student's t.

    Parameters
    ----------
    values
        Scores of independent runs; what is no finite number is left out.
    level
        Confidence, in (0, 1).

    Returns
    -------
    mean, low, high
        The bounds are NaN for fewer than two values; the mean too for none.
    """
    found = _finite(values)
    mean = float(found.mean()) if found.size else math.nan
    if found.size < 2:
        return mean, math.nan, math.nan
    low, high = _quietly(stats.ttest_1samp, found, 0.0).confidence_interval(level)
    return mean, float(low), float(high)


def _quietly(test: Any, *samples: Any, **options: Any) -> Any:
    """Run a test of scipy without its warnings about runs that are all equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return test(*samples, **options)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, float).ravel()
    finite: NDArray[np.float64] = found[np.isfinite(found)]
    return finite


def compare(a: ArrayLike, b: ArrayLike, paired: bool, alpha: float = 0.05) -> ArmComparison:
    """Compare the mean of two arms.

    Parameters
    ----------
    a, b
        Scores of independent runs; for `paired` of the same length and order.
    paired
        True where run i of both arms shares what makes runs differ (the same training
        images): the paired test takes that out. False for Welch's test, which lets each arm
        have its own variance: that of a network that trains unsteadily must not count for
        another one.
    alpha
        Level of significance.

    Raises
    ------
    InputError
        If `paired` arms differ in length.
    """
    if paired:
        return _paired(np.asarray(a, float).ravel(), np.asarray(b, float).ravel(), alpha)
    first, second = _finite(a), _finite(b)
    means = [float(x.mean()) if x.size else math.nan for x in (first, second)]
    difference = means[0] - means[1]
    if min(first.size, second.size) < 2:
        return _inconclusive(difference, _FEW)
    error = math.hypot(*(_standard_error(x) for x in (first, second)))
    if _no_variation(error, max(map(abs, means))):
        return _inconclusive(difference, _IDENTICAL)
    return _conclusive(difference, _quietly(stats.ttest_ind, first, second, equal_var=False), alpha)


def _paired(a: NDArray[np.float64], b: NDArray[np.float64], alpha: float) -> ArmComparison:
    if len(a) != len(b):
        raise InputError("A paired comparison needs the same runs in both arms.")
    differences = _finite(a - b)
    difference = float(differences.mean()) if differences.size else math.nan
    if differences.size < 2:
        return _inconclusive(difference, _FEW)
    if _no_variation(_standard_error(differences), float(np.nanmax(np.abs([a, b])))):
        return _inconclusive(difference, _ALIKE)
    return _conclusive(difference, _quietly(stats.ttest_1samp, differences, 0.0), alpha)


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size)


def _no_variation(error: float, size: float) -> bool:
    """Return whether runs differ by rounding only: true scores of several runs always vary.

    Such runs are repeats of one another (seeds that change nothing), not independent ones.
    """
    return error <= 1e-12 * size


def _inconclusive(difference: float, why: str) -> ArmComparison:
    words = f"Cannot tell: {INCONCLUSIVE[why]}."
    return ArmComparison(difference, math.nan, math.nan, math.nan, False, words, why)


def _conclusive(difference: float, test: Any, alpha: float) -> ArmComparison:
    low, high = map(float, test.confidence_interval(1 - alpha))
    p = float(test.pvalue)
    significant = p < alpha
    words = (
        f"The means differ by {difference:.3g} [{low:.3g}, {high:.3g}] (p = {p:.2g})."
        if significant
        else f"No significant difference ({difference:.3g} [{low:.3g}, {high:.3g}], p = {p:.2g})."
    )
    return ArmComparison(difference, low, high, p, significant, words)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p values for their number by Holm's step-down method (Holm 1979).

    Parameters
    ----------
    p_values
        (n,) p values; NaN (an inconclusive comparison) stays NaN and is not counted.

    Returns
    -------
    ndarray
        (n,) corrected p values in [0, 1], in the same order.
    """
    given = np.asarray(p_values, float).ravel()
    corrected, known = np.full(given.shape, np.nan), np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
