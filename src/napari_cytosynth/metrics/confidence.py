"""Confidence in single objects: which of them are right, and what tells it beforehand.

An object is right where its IoU with a true one is at least 0.5. What might tell it without the
truth (mean probability, size, error of the flows …) are the ingredients; a logistic regression
combines them to the probability that an object is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .instance import overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = [
    "ConfidenceCurve",
    "ConfidenceFit",
    "auroc",
    "best_iou",
    "confidence_curve",
    "fit_confidence",
    "log_losses",
    "logistic",
]

PENALTY = 1e-3
"""Weight of the squared coefficients beside the mean log loss, of standardised ingredients."""
_LEAST = 1e-15  # probabilities closer to 0 or 1 would cost without bound


def best_iou(true: ArrayLike, pred: ArrayLike) -> Values:
    """Return the highest IoU of each predicted object with any true one.

    Parameters
    ----------
    true, pred
        Label images of the same shape, 0 is background.

    Returns
    -------
    ndarray
        In [0, 1], one for each predicted object by rising label; 0 where it meets no true one.
        Above 0.5 no two predicted objects can share the same true one.

    Raises
    ------
    InputError
        If the shapes differ, or labels are negative or not integers.
    """
    pairs = overlaps(true, pred)
    best = np.zeros(len(pairs.pred_area))
    np.maximum.at(best, pairs.pred_index, pairs.iou)
    return best


def _flags(right: ArrayLike) -> Flags:
    array = np.asarray(right)
    if array.ndim != 1 or array.dtype != bool or not array.size:
        raise InputError("Whether objects are right must be a list of at least one True or False.")
    return array


def _column(values: ArrayLike, count: int, name: str) -> Values:
    column = np.asarray(values, np.float64)
    if column.shape != (count,):
        raise InputError(f"“{name}” has the shape {column.shape}, but there are {count} objects.")
    if not np.isfinite(column).all():
        raise InputError(f"Some values of “{name}” are not numbers.")
    return column


def auroc(score: ArrayLike, right: ArrayLike) -> float:
    """Return the area under the ROC curve (Hanley and McNeil 1982).

    It is the chance that a right object has a higher score than a wrong one; equal scores count
    half. Below 0.5, high scores speak for wrong objects.

    Parameters
    ----------
    score
        (N,) finite numbers.
    right
        (N,) bool.

    Returns
    -------
    float
        In [0, 1]; 0.5 says nothing. NaN where all objects are right, or none.

    Raises
    ------
    InputError
        If the lists differ in length, or a score is no number.
    """
    from scipy.stats import rankdata

    flags = _flags(right)
    ranks = rankdata(_column(score, len(flags), "score"))
    positive = int(flags.sum())
    negative = len(flags) - positive
    if not positive or not negative:
        return float("nan")
    above = ranks[flags].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def log_losses(probability: ArrayLike, right: ArrayLike) -> Values:
    """Return the negative log likelihood of each object, in nats: 0 is perfect, 0.69 a coin's.

    Parameters
    ----------
    probability
        (N,) in [0, 1]: that the object is right.
    right
        (N,) bool.

    Raises
    ------
    InputError
        If the lists differ in length, or a probability is no number.
    """
    flags = _flags(right)
    p = np.clip(_column(probability, len(flags), "probability"), _LEAST, 1 - _LEAST)
    losses: Values = -np.log(np.where(flags, p, 1 - p))
    return losses


def logistic(
    intercept: float, terms: Iterable[tuple[float, Values, float, float]], count: int
) -> Values:
    """Return probabilities, 1 / (1 + exp(-(intercept + Σ weight · (value - mean) / scale))).

    Parameters
    ----------
    intercept
        Log odds of an object whose values are all the mean.
    terms
        Weight, values (N,), mean and scale of each; one with a scale of 0 does not enter.
    count
        Number of objects, N.
    """
    from scipy.special import expit

    odds = np.full(count, float(intercept))
    for weight, values, mean, scale in terms:
        odds += weight * (values - mean) / scale if scale else 0.0
    found: Values = expit(odds)
    return found


@dataclass(frozen=True)
class ConfidenceFit:
    """Logistic regression of whether an object is right, on standardised ingredients.

    Attributes
    ----------
    names
        Ingredients.
    mean, scale
        Of each ingredient: ``(value - mean) / scale`` enters the regression. A scale of 0 marks
        an ingredient that was the same for all objects, which does not enter.
    weights
        Of the standardised ingredients.
    intercept
        Log odds of an object whose ingredients are all average.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __call__(self, ingredients: Mapping[str, ArrayLike]) -> Values:
        """Return the probability, in [0, 1], that each object is right.

        Parameters
        ----------
        ingredients
            Name -> (N,) finite numbers; further ones are ignored.

        Raises
        ------
        InputError
            If an ingredient is missing or not of finite numbers, or their lengths differ.
        """
        if missing := [name for name in self.names if name not in ingredients]:
            raise InputError(f"The confidence needs “{missing[0]}” of every object.")
        count = len(np.atleast_1d(ingredients[self.names[0]]))
        columns = [_column(ingredients[name], count, name) for name in self.names]
        terms = zip(self.weights, columns, self.mean, self.scale, strict=True)
        return logistic(self.intercept, terms, count)


def _table(ingredients: Mapping[str, ArrayLike], count: int) -> Values:
    if not ingredients:
        raise InputError("The confidence needs at least one ingredient.")
    return np.stack([_column(column, count, name) for name, column in ingredients.items()], axis=1)


def fit_confidence(
    ingredients: Mapping[str, ArrayLike], right: ArrayLike, penalty: float = PENALTY
) -> ConfidenceFit:
    """Fit the probability that an object is right, by logistic regression.

    The mean log loss and `penalty` / 2 times the squared weights are minimised by L-BFGS from 0;
    the problem is convex, so that the same objects always give the same fit.

    Parameters
    ----------
    ingredients
        Name -> (N,) finite numbers, one for each object.
    right
        (N,) bool: whether the object's IoU with a true one is at least 0.5.
    penalty
        Above 0, or perfectly separable objects would have infinite weights. Default: 0.001.

    Raises
    ------
    InputError
        If all objects are right or all are wrong (nothing can be learned from them), the lists
        differ in length, a value is no number, or the penalty is not above 0.
    """
    from scipy.optimize import minimize

    flags = _flags(right)
    table = _table(ingredients, len(flags))
    if not penalty > 0:
        raise InputError(f"The penalty of the fit must be above 0, not {penalty}.")
    if flags.all() or not flags.any():
        kind = "right" if flags.all() else "wrong"
        raise InputError(
            f"All {len(flags)} objects are {kind}: what tells right from wrong ones cannot be "
            "learned from them."
        )
    mean, scale = table.mean(axis=0), table.std(axis=0)
    scale[scale <= 1e-12 * np.abs(table).max(axis=0)] = 0  # rounding is no spread
    inputs = np.divide(table - mean, scale, out=np.zeros_like(table), where=scale > 0)
    start = np.zeros(inputs.shape[1] + 1)
    options = {"gtol": 1e-9, "ftol": 1e-15, "maxiter": 1000}
    found = minimize(
        _cost, start, (inputs, flags, penalty), method="L-BFGS-B", jac=True, options=options
    )
    weights = tuple(float(weight) for weight in found.x[:-1])
    plain_mean, plain_scale = tuple(mean.tolist()), tuple(scale.tolist())
    return ConfidenceFit(tuple(ingredients), plain_mean, plain_scale, weights, float(found.x[-1]))


def _cost(x: Values, inputs: Values, flags: Flags, penalty: float) -> tuple[float, Values]:
    """Return the penalised mean log loss, and its gradient."""
    from scipy.special import expit

    weights, odds = x[:-1], inputs @ x[:-1] + x[-1]
    loss = np.logaddexp(0, np.where(flags, -odds, odds)).mean()
    error = (expit(odds) - flags) / len(flags)
    gradient = np.append(inputs.T @ error + penalty * weights, error.sum())
    return float(loss + 0.5 * penalty * weights @ weights), gradient


@dataclass(frozen=True, eq=False)
class ConfidenceCurve:
    """Stated and found share of right objects, in bins of the stated probability.

    Attributes
    ----------
    low, high
        Borders of each bin that holds objects.
    stated
        Mean probability of its objects.
    found
        Share of its objects that are right.
    count
        Number of its objects.
    """

    low: Values
    high: Values
    stated: Values
    found: Values
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean over objects of ``|stated - found|`` of their bin."""
        return float(np.average(np.abs(self.stated - self.found), weights=self.count))

    def bins(self) -> list[dict[str, float]]:
        """Return the bins one by one: low, high, stated, found and count of each."""
        columns = {name: values.tolist() for name, values in vars(self).items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def record(self) -> dict[str, list[float]]:
        """Return the columns as plain values for JSON."""
        return {name: values.tolist() for name, values in vars(self).items()}


def confidence_curve(probability: ArrayLike, right: ArrayLike, bins: int = 10) -> ConfidenceCurve:
    """Compare stated probabilities with the share of right objects, in bins of equal width.

    Parameters
    ----------
    probability
        (N,) in [0, 1].
    right
        (N,) bool.
    bins
        Number of bins between 0 and 1; those without objects are left out. Default: 10.

    Raises
    ------
    InputError
        If the lists differ in length, a probability is outside [0, 1], or `bins` is below 1.
    """
    flags = _flags(right)
    p = _column(probability, len(flags), "probability")
    if p.min() < 0 or p.max() > 1 or bins < 1:
        raise InputError("Probabilities lie between 0 and 1, in at least one bin.")
    edges = np.arange(bins + 1) / bins  # 3 / 10 is 0.3, which np.linspace misses
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    seen = np.flatnonzero(count)
    stated, found = (
        np.bincount(place, values, minlength=bins)[seen] / count[seen] for values in (p, flags)
    )
    return ConfidenceCurve(edges[seen], edges[seen + 1], stated, found, count[seen])
