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

from napari_cytosynth.tasks.stain.objects.doubt import number_fit
from napari_cytosynth.tasks.stain.objects.numbers import fit_number

from .doubt import VirtualObjects, fitted_doubts
from .population import Population, population_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.stain.objects.numbers import NumberFit
    from napari_cytosynth.zoo.card import ObjectNumber

    Values = NDArray[np.float64]

__all__ = [
    "LEAST_CELLS",
    "LEAST_FIELDS",
    "MatchedCells",
    "NumberReference",
    "NumberSample",
    "gather",
    "judge_numbers",
    "matched_fraction",
    "split_doubts",
    "summarise_numbers",
]

LEAST_CELLS = 10
"""Fewer cells of a field are not judged."""
LEAST_FIELDS = 3
"""With fewer fields, they cannot be drawn again and again."""
_SUMMARY = ("number", "gain", "low", "high")
_AVERAGED = ("gain of a constant error", "in 68 %", "in 68 % of a constant error", "matched")
COLUMNS = ("number", "field", "gain", *_AVERAGED)


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
        One row for each number and cell; see :meth:`NumberReference.judge`.
    """
    tables = [pd.DataFrame(columns=COLUMNS)]
    for group in dict.fromkeys(one.group for one in cells):
        own = [one for one in cells if one.group == group]
        others = [one for one in cells if one.group != group]
        doubts = [_doubts(others, fields, terms) for fields in (own, others)]
        for name in dict.fromkeys(name for one in own for name in one.virtual):
            known, sample = gather(name, others, doubts[1]), gather(name, own, doubts[0])
            if min(len(known.real), len(sample.real)) >= LEAST_CELLS:
                matched = matched_fraction(own)
                tables.append(known.reference().judge(sample).assign(matched=matched))
    return pd.concat([one for one in tables if len(one)] or tables, ignore_index=True)


def matched_fraction(cells: Sequence[MatchedCells]) -> float:
    """Return the fraction of all virtual objects that have a real partner."""
    every = sum(len(one.objects.truth.iou) for one in cells)
    return sum(len(one.matched) for one in cells) / max(every, 1)


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

    def reference(self) -> NumberReference:
        """Fit that distribution, and what it is judged by."""
        fit = self.fit()
        real = fit.scaled(self.real)
        error = float(np.sqrt(np.mean((real - fit.scaled(self.virtual)) ** 2)))
        return NumberReference(fit, population_of(real), max(error, 1e-6))


@dataclass(frozen=True, eq=False)
class NumberReference:
    """Distribution of a number, and what is known without it: both fitted on some fields.

    Attributes
    ----------
    fit
        The distribution of the real number, given the virtual one and its doubt.
    population
        Density of the real number over all cells.
    constant_error
        Width of the Gaussian around the virtual number that is the rival, on the scale.
    """

    fit: NumberFit
    population: Population
    constant_error: float

    @classmethod
    def from_card(cls, record: ObjectNumber) -> NumberReference | None:
        """Return what a card holds; None of one that does not know the population."""
        if record.population is None or record.constant_error is None:
            return None
        population = Population.from_card(record.population)
        return cls(number_fit(record), population, record.constant_error)

    def judge(self, own: NumberSample) -> pd.DataFrame:
        """Judge the distribution on cells of other fields.

        Returns
        -------
        DataFrame
            One row for each cell: ``number``, ``field``, ``gain`` and ``gain of a constant
            error`` (a Gaussian of one width around the virtual number) in nats, ``in 68 %`` and
            ``in 68 % of a constant error`` (1 where the real number is in the interval, else 0).
        """
        fit, width = self.fit, self.constant_error
        y = fit.scaled(own.real)
        population = self.population.log_density(y)
        z = (y - fit.scaled(own.virtual)) / width
        low, _, high = fit.interval(own.virtual, own.doubt)
        columns = {
            "gain": fit.log_density(own.virtual, own.doubt, own.real) - population,
            "gain of a constant error": -0.5 * z**2
            - np.log(width * np.sqrt(2 * np.pi))
            - population,
            "in 68 %": ((own.real >= low) & (own.real <= high)).astype(float),
            "in 68 % of a constant error": (np.abs(z) <= 1).astype(float),
        }
        return pd.DataFrame({"number": own.name, "field": own.fields, **columns})


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


def summarise_numbers(judged: pd.DataFrame, draws: int = 2000) -> pd.DataFrame:
    """Return one row for each number: means over the cells, with 95 % intervals of the gains.

    The intervals come from a bootstrap of whole fields, as cells of one field are alike; with
    fewer than three fields of cells, which gives too narrow ones.

    Parameters
    ----------
    judged
        One row for each number and cell, as :func:`judge_numbers` returns them.
    draws
        Of the bootstrap. Default: 2000.
    """
    rng, rows = np.random.default_rng(0), []
    for name, table in judged.groupby("number", sort=False):
        units = table.groupby("field", sort=False)["gain"].agg(["sum", "count"]).to_numpy()
        if len(units) < LEAST_FIELDS:
            units = np.stack([table["gain"], np.ones(len(table))], axis=1)
        means = _bootstrap(units, rng, draws)
        low, high = np.percentile(means, [2.5, 97.5])
        row = {"number": name, "gain": table["gain"].mean(), "low": low, "high": high}
        row |= {column: table[column].mean() for column in _AVERAGED}
        rows.append(row | {"cells": len(table), "fields": table["field"].nunique()})
    return pd.DataFrame(rows, columns=[*_SUMMARY, *_AVERAGED, "cells", "fields"])


def _bootstrap(units: Values, rng: np.random.Generator, draws: int) -> Values:
    """Return means over drawn units, each given as its sum and its count."""
    means = np.empty(draws)
    for number in range(draws):
        total, count = units[rng.integers(len(units), size=len(units))].sum(axis=0)
        means[number] = total / count
    return means
