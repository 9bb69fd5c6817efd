"""Numbers of virtual cells: how much they tell of the real ones, and how wide their intervals are.

Judged by information gain (Tonks et al. 2026, "A proper scoring rule for virtual staining"):
the logarithm of the density that the prediction gave to the real number of a cell, minus that
of the population of real cells, in nats. 0: no better than knowing how such cells usually are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_cytosynth.tasks.stain.objects.numbers import FREEDOM, fit_number

from .doubt import VirtualObjects, fitted_doubts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.stain.objects.numbers import NumberFit

    Values = NDArray[np.float64]

__all__ = [
    "MatchedCells",
    "NumberSample",
    "gather",
    "judge_numbers",
    "split_doubts",
    "summarise_numbers",
]

LEAST_CELLS = 10
_AVERAGED = ("gain of a constant error", "in 68 %", "in 68 % of a constant error", "matched")


@dataclass(frozen=True, eq=False)
class MatchedCells:
    """Cells of one virtual field, of which the real ones are known.

    Attributes
    ----------
    objects
        All objects of the field.
    matched
        (N,) indices of those that have a real partner (IoU of at least 0.5).
    virtual, real
        Name of a number -> its value in the virtual stain and mask, and in the real ones, of
        each matched object; without those of a stain that is not to be used in this field.
    """

    objects: VirtualObjects
    matched: NDArray[np.intp]
    virtual: Mapping[str, Values]
    real: Mapping[str, Values]

    @property
    def group(self) -> str:
        """Name of the field."""
        return self.objects.group


def judge_numbers(cells: Sequence[MatchedCells], terms: Sequence[str]) -> pd.DataFrame:
    """Fit the distribution of every number on all fields but one, and judge it on that one.

    Parameters
    ----------
    cells
        Of at least two groups.
    terms
        The numbers that the doubt is made of; it is fitted on the other fields, too.

    Returns
    -------
    DataFrame
        One row for each number and field: ``gain`` and ``gain of a constant error`` (a Gaussian
        of one width around the prediction) in nats per cell, ``in 68 %`` and ``in 68 % of a
        constant error`` (fractions of cells in their interval), ``cells``, ``matched`` (their
        fraction of all virtual ones).
    """
    rows = []
    for group in dict.fromkeys(one.group for one in cells):
        own = [one for one in cells if one.group == group]
        others = [one for one in cells if one.group != group]
        doubts = [_doubts(others, fields, terms) for fields in (own, others)]
        for name in dict.fromkeys(name for one in own for name in one.virtual):
            row = _judge(gather(name, others, doubts[1]), gather(name, own, doubts[0]))
            if row:
                matched = sum(len(one.matched) for one in own)
                every = max(sum(len(one.objects.truth.iou) for one in own), 1)
                rows.append({"number": name, "field": group, **row, "matched": matched / every})
    return pd.DataFrame(rows)


def _doubts(
    others: Sequence[MatchedCells], fields: Sequence[MatchedCells], terms: Sequence[str]
) -> list[Values]:
    """Return the doubt of the matched cells of each field, by a fit to the others' objects."""
    fitted_on, of = ([one.objects for one in part] for part in (others, fields))
    return split_doubts(fields, fitted_doubts(fitted_on, of, terms))


def split_doubts(cells: Sequence[MatchedCells], doubts: Values) -> list[Values]:
    """Return the doubts of the matched cells of each field, given those of all objects."""
    ends = np.cumsum([len(one.objects.truth.iou) for one in cells])[:-1]
    parts = np.split(doubts, ends)
    return [part[one.matched] for part, one in zip(parts, cells, strict=True)]


@dataclass(frozen=True, eq=False)
class NumberSample:
    """One number of the cells of several fields; (N,) each.

    Attributes
    ----------
    name
        Of the number.
    virtual, real
        Values in the virtual and in the real stain.
    doubt
        Of each cell.
    fields
        Name of the field of each.
    """

    name: str
    virtual: Values
    real: Values
    doubt: Values
    fields: NDArray[np.str_]

    def fit(self) -> NumberFit:
        """Fit the distribution of the number in another field."""
        return fit_number(self.name, self.virtual, self.doubt, self.real, self.fields)


def gather(name: str, cells: Sequence[MatchedCells], doubts: Sequence[Values]) -> NumberSample:
    """Return a number of the cells of those fields in which it is known.

    Parameters
    ----------
    name
        Of the number.
    cells
        The fields.
    doubts
        Of the matched cells of each.
    """
    known = [(one, doubt) for one, doubt in zip(cells, doubts, strict=True) if name in one.virtual]
    nothing = [np.empty(0)]
    return NumberSample(
        name,
        np.concatenate([one.virtual[name] for one, _ in known] or nothing),
        np.concatenate([one.real[name] for one, _ in known] or nothing),
        np.concatenate([doubt for _, doubt in known] or nothing),
        np.array([one.group for one, doubt in known for _ in doubt], np.str_),
    )


def _judge(others: NumberSample, own: NumberSample) -> dict[str, float]:
    """Fit a number on other fields, and judge it on one; nothing with too few cells."""
    if min(len(others.real), len(own.real)) < LEAST_CELLS:
        return {}
    fit = others.fit()
    x, y = fit.scaled(own.virtual), fit.scaled(own.real)
    population = _population(fit.scaled(others.real), y)
    gain = fit.log_density(own.virtual, own.doubt, own.real) - population
    error = fit.scaled(others.real) - fit.scaled(others.virtual)
    width = float(np.sqrt(np.mean(error**2)))
    z = (y - x) / width
    constant = -0.5 * z**2 - np.log(width * np.sqrt(2 * np.pi)) - population
    low, _, high = fit.interval(own.virtual, own.doubt)
    return {
        "gain": float(gain.mean()),
        "gain of a constant error": float(constant.mean()),
        "in 68 %": float(((own.real >= low) & (own.real <= high)).mean()),
        "in 68 % of a constant error": float((np.abs(z) <= 1).mean()),
        "cells": len(own.real),
    }


def _population(known: Values, asked: Values) -> Values:
    """Return the log density of numbers in the population of other fields."""
    from scipy.stats import gaussian_kde, t

    kernel = gaussian_kde(known)
    density = np.asarray(kernel(asked), np.float64)
    # far outside of all known cells a kernel's density is 0, of which no prediction is to gain
    wide = t.pdf(asked, FREEDOM, np.median(known), known.std() + 1e-9)
    found: Values = np.log(0.95 * density + 0.05 * wide)
    return found


def summarise_numbers(judged: pd.DataFrame, draws: int = 2000) -> pd.DataFrame:
    """Return one row for each number: means over the fields, with 95 % intervals of the gains.

    The intervals come from a bootstrap of whole fields: cells of one field are alike.
    """
    rng, rows = np.random.default_rng(0), []
    for name, table in judged.groupby("number", sort=False):
        values, cells = table["gain"].to_numpy(), table["cells"].to_numpy()
        picks = rng.integers(len(values), size=(draws, len(values)))
        means = np.sum(values[picks] * cells[picks], 1) / np.sum(cells[picks], 1)
        low, high = np.percentile(means, [2.5, 97.5])
        row = {"number": name, "gain": np.average(values, weights=cells), "low": low, "high": high}
        for column in _AVERAGED:
            row[column] = np.average(table[column], weights=cells)
        rows.append(row | {"cells": int(cells.sum())})
    return pd.DataFrame(rows)
