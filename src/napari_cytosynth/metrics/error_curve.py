"""Typical size of the errors of a predicted intensity, as a curve over the intensity itself.

Inside a structure the error of a pixel is hardly predictable beyond its brightness; so the
curve comes first. The spread over several predictions of a pixel (flips and rotations, dropout)
widens it where that spread is larger than usual at the same brightness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .uncertainty import COVERAGE_GOALS, sigma_nearest_goals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Values = NDArray[np.float64]

__all__ = ["ErrorCurve", "SpreadCurve", "fit_error_curve", "quantile_loss"]

EXPONENTS = tuple(np.round(np.arange(0, 1.01, 0.1), 1).tolist())
_MAX_FITTED = 200_000
_KNOTS = 12
_LEAST_IN_BIN = 50
_TAIL_WEIGHT = 1.4
_WIDEST = 8.0
"""Ratios of a spread to the usual one beyond which it widens no further."""


@dataclass(frozen=True)
class SpreadCurve:
    """Usual spread at each knot of an error curve, and how much an unusual one counts.

    Attributes
    ----------
    usual
        Median spread at each knot, in units of the network's output; greater than 0.
    exponent
        Of the ratio of a pixel's spread to the usual one; 0: it does not count.
    """

    usual: tuple[float, ...]
    exponent: float


@dataclass(frozen=True)
class ErrorCurve:
    """Typical error (one standard deviation) as a function of the predicted intensity.

    Attributes
    ----------
    levels
        Knots, rising: predicted intensities in units of the network's output.
    errors
        Typical error at each knot, in the same units; greater than 0. Linear in between,
        constant beyond the ends. It need not rise.
    spreads
        Name of a spread -> its curve. Default: none.
    """

    levels: tuple[float, ...]
    errors: tuple[float, ...]
    spreads: Mapping[str, SpreadCurve] = field(default_factory=dict)

    def sigma(self, level: ArrayLike, spreads: Mapping[str, ArrayLike] | None = None) -> Floats:
        """Return the typical error of predictions.

        Parameters
        ----------
        level
            Predicted intensities, in units of the network's output.
        spreads
            Name -> standard deviation over several predictions, of the shape of `level`. A
            spread that is missing counts as usual. Default: none.
        """
        y = np.asarray(level, np.float32)
        found: Floats = np.interp(y, self.levels, self.errors).astype(np.float32)
        for name, curve in self.spreads.items():
            if spreads and name in spreads and curve.exponent:
                found *= self.excess(name, y, spreads[name]) ** np.float32(curve.exponent)
        return found

    def excess(self, name: str, level: ArrayLike, spread: ArrayLike) -> Floats:
        """Return a spread relative to the usual one at this brightness, in [1/8, 8].

        Parameters
        ----------
        name
            One of :attr:`spreads`.
        level, spread
            Predicted intensities and their spread, of one shape.
        """
        usual = np.interp(np.asarray(level, np.float32), self.levels, self.spreads[name].usual)
        ratio: Floats = (np.asarray(spread, np.float32) / usual).astype(np.float32)
        return np.clip(ratio, 1 / _WIDEST, _WIDEST, out=ratio)


def fit_error_curve(
    error: ArrayLike,
    level: ArrayLike,
    spreads: Mapping[str, ArrayLike] | None = None,
    counting: Collection[str] | None = None,
) -> ErrorCurve:
    """Fit an error curve: 68 % of the errors lie within the curve, 95 % within 1.96 times it.

    At each brightness sigma is the one for which both fractions come nearest; the exponents of
    the spreads are those of the least quantile loss (Koenker and Bassett 1978, of logarithms),
    every brightness counting alike.

    Parameters
    ----------
    error
        Prediction minus truth, on images that the network did not learn from. At most 200,000
        evenly spaced ones are used.
    level
        The predictions, in the same units.
    spreads
        Name -> standard deviation over several predictions of the same pixel. Default: none.
    counting
        Names of the spreads that may widen the curve; of the others it only tells what is
        usual. None (default): all.

    Raises
    ------
    InputError
        If the shapes differ, or there are fewer than 100 errors, or a value is not finite.
    """
    given = {"error": error, "level": level, **(spreads or {})}
    arrays = {name: np.asarray(array, np.float64).ravel() for name, array in given.items()}
    _check(arrays)
    step = -(-arrays["level"].size // _MAX_FITTED)
    e, y, *stds = (array[::step] for array in arrays.values())
    e = np.abs(e)
    edges = _edges(y)
    bins = np.searchsorted(edges, y, side="right")
    levels = _by_bin(y, bins, len(edges) + 1)
    usual = {
        name: _floored(_by_bin(std, bins, len(edges) + 1))
        for name, std in zip(spreads or {}, stds, strict=True)
    }
    logs = {
        name: np.log(np.clip(std / np.interp(y, levels, usual[name]), 1 / _WIDEST, _WIDEST))
        for name, std in zip(usual, stds, strict=True)
    }
    free = logs if counting is None else {name: logs[name] for name in counting}
    exponents = dict.fromkeys(logs, 0.0) | _exponents(e, y, bins, levels, free)
    widening = sum((exponents[name] * logs[name] for name in logs), np.zeros_like(y))
    errors = _errors(e, bins, widening, len(levels))
    curves = {name: SpreadCurve(tuple(usual[name].tolist()), exponents[name]) for name in usual}
    return ErrorCurve(tuple(levels.tolist()), tuple(errors.tolist()), curves)


def quantile_loss(error: ArrayLike, sigma: ArrayLike) -> Values:
    """Return the quantile loss of the logarithm of sigma, one value for each error.

    The mean over many errors is least where 68.3 % of them lie within sigma and 95 % within
    1.96 sigma (Koenker and Bassett 1978); a sigma that tells large errors from small ones has
    a smaller loss than one that does not.

    Parameters
    ----------
    error, sigma
        Prediction minus truth, and the predicted standard deviation, of one shape.
    """
    e, s = np.abs(np.asarray(error, np.float64)), np.asarray(sigma, np.float64)
    unit = float(np.median(e)) or 1.0
    logs = np.log(np.maximum(e, 1e-3 * unit)) - np.log(np.maximum(s, 1e-12))
    loss = np.zeros_like(logs)
    for factor, fraction in COVERAGE_GOALS:
        miss = logs - np.log(factor)
        loss += np.maximum(fraction * miss, (fraction - 1) * miss)
    return loss


def _check(arrays: Mapping[str, Values]) -> None:
    if len({array.size for array in arrays.values()}) > 1:
        raise InputError("Errors, predictions and spreads must be as many.")
    if arrays["level"].size < 2 * _LEAST_IN_BIN:
        raise InputError(f"A curve needs at least {2 * _LEAST_IN_BIN} errors.")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError("Errors, predictions and spreads must be finite numbers.")


def _edges(level: Values) -> Values:
    """Return edges of bins that resolve both the many faint and the few bright pixels."""
    low, high = np.percentile(level, [25, 99.5])
    even = np.linspace(low, high, _KNOTS)[1:-1]
    edges = np.unique([low, *even])
    inside = np.histogram(level, [-np.inf, *edges, np.inf])[0]
    # an edge with too few pixels above it, up to the next one, goes
    kept: list[float] = []
    waiting = int(inside[0])
    for edge, count in zip(edges, inside[1:], strict=True):
        if waiting >= _LEAST_IN_BIN:
            kept.append(float(edge))
            waiting = 0
        waiting += int(count)
    if kept and waiting < _LEAST_IN_BIN:
        kept.pop()
    return np.array(kept)


def _by_bin(values: Values, bins: NDArray[np.intp], count: int) -> Values:
    return np.array([np.median(values[bins == number]) for number in range(count)])


def _floored(usual: Values) -> Values:
    """Return the usual spreads, none of them 0, so that ratios are defined."""
    return np.maximum(usual, max(1e-3 * float(usual.max()), 1e-9))


def _errors(error: Values, bins: NDArray[np.intp], widening: Values, count: int) -> Values:
    """Return the error at each knot, of errors that were divided by their widening."""
    narrow = error / np.exp(widening)
    # errors have longer tails than a Gaussian: a miss of the rare large ones weighs more
    parts = (np.sort(narrow[bins == number]) for number in range(count))
    found = [sigma_nearest_goals(part, _TAIL_WEIGHT) for part in parts]
    return np.maximum(found, max(1e-6 * max(found), 1e-12))


def _exponents(
    error: Values,
    level: Values,
    bins: NDArray[np.intp],
    levels: Values,
    logs: Mapping[str, Values],
) -> dict[str, float]:
    """Return the exponent of each spread, chosen one after another, twice."""
    chosen = dict.fromkeys(logs, 0.0)
    weights = 1 / np.bincount(bins, minlength=len(levels))[bins]

    def loss() -> float:
        widening = sum((chosen[name] * logs[name] for name in logs), np.zeros_like(level))
        errors = _errors(error, bins, widening, len(levels))
        sigma = np.interp(level, levels, errors) * np.exp(widening)
        return float(np.average(quantile_loss(error, sigma), weights=weights))

    for _ in range(2 if len(logs) > 1 else 1):
        for name in logs:
            losses = {}
            for exponent in EXPONENTS:
                chosen[name] = exponent
                losses[exponent] = loss()
            chosen[name] = min(losses, key=lambda key: losses[key])
    return chosen
