"""Choice of an uncertainty: rivals fitted on some fields and judged on the others.

A spread of samples or views is kept only where it tells more about the errors of fields that
neither the network nor the fit had seen than the brightness of a pixel does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.metrics import COVERAGE_GOALS, coverage, sparsification, spearman
from napari_cytosynth.metrics.error_curve import fit_error_curve, quantile_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.metrics.error_curve import ErrorCurve

    Floats = NDArray[np.float32]
    Sigma = Callable[["FieldErrors"], Floats]

__all__ = ["BRIGHTNESS", "CONSTANT", "FieldErrors", "choose", "judge", "pooled_curve"]

CONSTANT, BRIGHTNESS = "constant", "brightness"
_LEAST = 200  # pixels in a structure


@dataclass(frozen=True, eq=False)
class FieldErrors:
    """Errors of one stain of one field, and what might have foretold them; (N,) each.

    Attributes
    ----------
    group
        Name of the field; images of the same field (focal planes) share it.
    error, level
        Prediction minus truth, and prediction, in units of the network's output.
    inside
        Whether the pixel lies in a structure, real or predicted.
    spreads
        What may widen the curve, by name, such as the standard deviation over ``views`` and
        over ``samples``, in units of the network's output.
    """

    group: str
    error: Floats
    level: Floats
    inside: NDArray[np.bool_]
    spreads: Mapping[str, Floats]


def pooled_curve(fields: Sequence[FieldErrors], counting: Sequence[str]) -> ErrorCurve:
    """Fit an error curve on several fields, each weighing by its pixels.

    Parameters
    ----------
    fields
        The fields.
    counting
        Names of the spreads that may widen it; of all it tells what is usual.
    """
    spreads = common_spreads(fields)
    together = {name: np.concatenate([one.spreads[name] for one in fields]) for name in spreads}
    error, level = (np.concatenate([getattr(one, k) for one in fields]) for k in ("error", "level"))
    return fit_error_curve(error, level, together, counting)


def common_spreads(fields: Sequence[FieldErrors]) -> list[str]:
    """Return the names of the spreads that all fields have."""
    return [name for name in fields[0].spreads if all(name in one.spreads for one in fields)]


def _constant(fields: Sequence[FieldErrors]) -> Sigma:
    errors = np.abs(np.concatenate([one.error for one in fields]))
    sizes = [np.quantile(errors, fraction) / factor for factor, fraction in COVERAGE_GOALS]
    size = np.float32(np.mean(sizes))
    return lambda field: np.full(field.level.shape, size)


def _by_curve(fields: Sequence[FieldErrors], spreads: Sequence[str]) -> Sigma:
    curve = pooled_curve(fields, spreads)
    return lambda field: curve.sigma(field.level, {name: field.spreads[name] for name in spreads})


def _rivals(spreads: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the spreads that each rival uses beside the brightness, simplest first."""
    found: dict[str, tuple[str, ...]] = {BRIGHTNESS: ()}
    found |= {f"{BRIGHTNESS}, {name}": (name,) for name in spreads}
    if len(spreads) > 1:
        found[", ".join([BRIGHTNESS, *spreads])] = tuple(spreads)
    return found


def judge(fields: Sequence[FieldErrors]) -> pd.DataFrame:
    """Fit every rival on all fields but one, and judge it on that one; each field in turn.

    Parameters
    ----------
    fields
        Of one stain, of at least two groups.

    Returns
    -------
    DataFrame
        One row for each rival and group: ``loss`` (quantile loss inside structures, the less
        the better), ``AUSE inside``, ``rank inside`` (Spearman's correlation with the error),
        coverages over the field and inside.
    """
    rows = []
    groups = list(dict.fromkeys(one.group for one in fields))
    spreads = common_spreads(fields)
    for group in groups:
        others = [one for one in fields if one.group != group]
        own = _together([one for one in fields if one.group == group])
        sigmas: dict[str, Sigma] = {CONSTANT: _constant(others)}
        sigmas |= {name: _by_curve(others, used) for name, used in _rivals(spreads).items()}
        sigmas |= {f"{name} alone": lambda f, n=name: f.spreads[n] for name in spreads}  # type: ignore[misc]
        rows += [{"rival": n, "field": group, **_scores(own, s(own))} for n, s in sigmas.items()]
    return pd.DataFrame(rows)


def _together(fields: Sequence[FieldErrors]) -> FieldErrors:
    spreads = {
        name: np.concatenate([one.spreads[name] for one in fields]) for name in fields[0].spreads
    }
    return FieldErrors(
        fields[0].group,
        np.concatenate([one.error for one in fields]),
        np.concatenate([one.level for one in fields]),
        np.concatenate([one.inside for one in fields]),
        spreads,
    )


def _scores(field: FieldErrors, sigma: Floats) -> dict[str, float]:
    error, inside = field.error, field.inside
    found = {}
    for (factor, _), size in zip(COVERAGE_GOALS, ("68", "95"), strict=True):
        found[f"coverage of {size} %"] = coverage(error, sigma, factor)
    if np.count_nonzero(inside) < _LEAST:
        return found
    error, sigma = error[inside], sigma[inside]
    for (factor, _), size in zip(COVERAGE_GOALS, ("68", "95"), strict=True):
        found[f"coverage of {size} % inside"] = coverage(error, sigma, factor)
    return {
        "loss": float(quantile_loss(error, sigma).mean()),
        "AUSE inside": sparsification(error, sigma).ause,
        "rank inside": spearman(error, sigma),
        **found,
    }


def choose(judged: pd.DataFrame) -> tuple[str, ...]:
    """Return the spreads of the simplest rival that no other beats beyond chance.

    A rival beats a simpler one if its loss is less by more than twice the standard error of
    the difference over the fields, and its order of the errors (AUSE) is no worse.

    Parameters
    ----------
    judged
        As :func:`judge` returns it.
    """
    names = list(judged["rival"].unique())
    rivals = _rivals([n.removesuffix(" alone") for n in names if n.endswith(" alone")])
    chosen = BRIGHTNESS
    for name in rivals:
        if name != chosen and _beats(judged, name, chosen):
            chosen = name
    return rivals[chosen]


def _beats(judged: pd.DataFrame, name: str, other: str) -> bool:
    one, two = (judged[judged["rival"] == key].set_index("field") for key in (name, other))
    gain = (two["loss"] - one["loss"]).dropna().to_numpy()
    if gain.size < 3:
        return False
    error = float(gain.std(ddof=1)) / np.sqrt(gain.size)
    better: bool = (
        gain.mean() > 2 * error and one["AUSE inside"].mean() <= two["AUSE inside"].mean()
    )
    return bool(better)
