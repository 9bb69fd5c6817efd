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

    Values = NDArray[np.float64]

__all__ = ["MatchedCells", "judge_numbers", "summarise_numbers"]

LEAST_CELLS = 10


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
        each matched object.
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
        of one width around the prediction) in nats per cell, ``in 68 %`` (fraction of cells in
        their interval), ``cells``, ``matched`` (their fraction of all virtual ones).
    """
    rows = []
    for group in dict.fromkeys(one.group for one in cells):
        own = [one for one in cells if one.group == group]
        others = [one for one in cells if one.group != group]
        doubts = [_doubts(others, fields, terms) for fields in (own, others)]
        for name in own[0].virtual:
            row = _judge(name, own, others, doubts)
            if row:
                rows.append({"number": name, "field": group, **row})
    return pd.DataFrame(rows)


def _doubts(
    others: Sequence[MatchedCells], fields: Sequence[MatchedCells], terms: Sequence[str]
) -> Values:
    """Return the doubt of all matched cells, by a fit to the others' objects."""
    fitted_on, of = ([one.objects for one in part] for part in (others, fields))
    doubts = fitted_doubts(fitted_on, of, terms)
    ends = np.cumsum([len(one.truth.iou) for one in of])[:-1]
    parts = np.split(doubts, ends)
    return np.concatenate([part[one.matched] for part, one in zip(parts, fields, strict=True)])


def _judge(
    name: str,
    own: Sequence[MatchedCells],
    others: Sequence[MatchedCells],
    doubts: Sequence[Values],
) -> dict[str, float]:
    x, y = (_values(others, side, name) for side in ("virtual", "real"))
    x_own, y_own = (_values(own, side, name) for side in ("virtual", "real"))
    if min(len(y), len(y_own)) < LEAST_CELLS:
        return {}
    fit = fit_number(name, x, doubts[1], y)
    population = _population(fit.scaled(y), fit.scaled(y_own))
    gain = fit.log_density(x_own, doubts[0], y_own) - population
    error = fit.scaled(y) - fit.scaled(x)
    width = float(np.sqrt(np.mean(error**2)))
    z = (fit.scaled(y_own) - fit.scaled(x_own)) / width
    constant = -0.5 * z**2 - np.log(width * np.sqrt(2 * np.pi)) - population
    low, _, high = fit.interval(x_own, doubts[0])
    every = sum(len(one.objects.truth.iou) for one in own)
    return {
        "gain": float(gain.mean()),
        "gain of a constant error": float(constant.mean()),
        "in 68 %": float(((y_own >= low) & (y_own <= high)).mean()),
        "cells": len(y_own),
        "matched": len(y_own) / max(every, 1),
    }


def _values(cells: Sequence[MatchedCells], side: str, name: str) -> Values:
    return np.concatenate([getattr(one, side)[name] for one in cells])


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
        for column in ("gain of a constant error", "in 68 %", "matched"):
            row[column] = np.average(table[column], weights=cells)
        rows.append(row | {"cells": int(cells.sum())})
    return pd.DataFrame(rows)
