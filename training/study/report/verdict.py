"""Verdict of a study: which arm is better, whether the runs are conclusive, in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import stats

from napari_cytosynth.errors import InputError

from .statistics import INCONCLUSIVE, compare, holm, mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .statistics import ArmComparison

__all__ = ["Direction", "MainEffects", "Verdict", "main_effects", "verdict"]

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """Comparison of the arms of a study by one score.

    Attributes
    ----------
    best
        Name of the arm with the best mean; empty where there is none.
    intervals
        One row an arm, in the order of the records: arm, the arm's columns, n, mean, low, high.
    comparisons
        One row for each other arm: arm, against, difference (arm - against), low, high (each
        interval for itself), p, p_holm, significant, untold (why it is inconclusive; empty
        where something can).
    among
        The same of the pairs of these other arms, where all pairs count for the correction.
    sentence
        The answer in words.
    """

    best: str
    intervals: pd.DataFrame
    comparisons: pd.DataFrame
    among: pd.DataFrame
    sentence: str


@dataclass(frozen=True, eq=False)
class MainEffects:
    """Main effects of a factorial study: each factor, averaged over the others.

    Attributes
    ----------
    factors
        Factor -> verdict over its levels; empty where the averages would not be fair.
    interaction
        p value that the factors act independently of each other; NaN where it is unknown.
    sentence
        The answer in words, or why there is none.
    """

    factors: dict[str, Verdict]
    interaction: float
    sentence: str


def verdict(
    records: pd.DataFrame,
    arms: str | Sequence[str],
    score: str,
    direction: Direction,
    alpha: float = 0.05,
    *,
    pair: str | None = None,
    against: str | None = None,
    beside: Sequence[float] = (),
) -> Verdict:
    """Compare the arms of a study by one score.

    Parameters
    ----------
    records
        One row a run; runs whose score is no finite number are left out.
    arms
        Column, or columns, whose values name the arm; an arm of several columns is called
        ``value · value``.
    score
        Column of the score.
    direction
        Whether more or less is better.
    alpha
        Level of significance, after Holm's correction.
    pair
        Column (such as ``seed``) whose equal values pair the runs of two arms; None where
        runs of the same seed have nothing else in common.
    against
        Arm that was meant to be beaten before the runs were made; None compares with the arm
        that came out best. That one is picked by the same figures, so that all pairs of arms
        count for the correction.
    beside
        p values of other comparisons that the correction counts too.

    Raises
    ------
    InputError
        If a column, or the arm `against`, is not there.
    """
    columns = [arms] if isinstance(arms, str) else list(arms)
    missing = [name for name in (*columns, score, *([pair] if pair else [])) if name not in records]
    if missing:
        raise InputError(f"The records have no column “{missing[0]}”.")
    runs = records[np.isfinite(records[score].astype(float))]
    runs = runs.assign(**{_ARM: [_name(row) for row in runs[columns].itertuples(index=False)]})
    intervals = _intervals(runs, columns, score)
    names = list(intervals["arm"])
    if against is not None and against not in names:
        raise InputError(f"No run of the arm “{against}” has a score.")
    means = intervals.set_index("arm")["mean"]
    best = str(means.idxmax() if direction == "maximize" else means.idxmin()) if names else ""
    every = _comparisons(runs, names, score, alpha, pair, (against, best), beside)
    apart = every["against"] == (against or best)
    comparisons, among = every[apart], every[~apart]
    sentence = _sentence(intervals, comparisons, among, direction, against or best)
    return Verdict(best, intervals, comparisons, among, sentence)


_ARM = "name of the arm"
_COMPARED = ["arm", "against", "difference", "low", "high", "p", "p_holm", "significant", "untold"]


def _name(values: tuple[object, ...]) -> str:
    return " · ".join(str(value) for value in values)


def _intervals(runs: pd.DataFrame, columns: list[str], score: str) -> pd.DataFrame:
    rows = []
    for name, own in runs.groupby(_ARM, sort=False):
        mean, low, high = mean_interval(own[score])
        settings = {column: own[column].iloc[0] for column in columns if column != "arm"}
        rows.append(
            {"arm": name, **settings, "n": len(own), "mean": mean, "low": low, "high": high}
        )
    if not rows:
        return pd.DataFrame(columns=["arm", "n", "mean", "low", "high"])
    return pd.DataFrame(rows)


def _two_arms(
    runs: pd.DataFrame, score: str, alpha: float, pair: str | None, arms: tuple[str, str]
) -> ArmComparison:
    first, second = (runs.loc[runs[_ARM] == arm] for arm in arms)
    if pair is None:
        return compare(first[score], second[score], paired=False, alpha=alpha)
    means = [own.groupby(pair)[score].mean() for own in (first, second)]
    both = means[0].index.intersection(means[1].index)
    return compare(means[0][both], means[1][both], paired=True, alpha=alpha)


def _comparisons(
    runs: pd.DataFrame,
    names: list[str],
    score: str,
    alpha: float,
    pair: str | None,
    chosen: tuple[str | None, str],
    beside: Sequence[float],
) -> pd.DataFrame:
    against = chosen[0] or chosen[1]
    others = [(name, against) for name in names if name != against]
    rest = [] if chosen[0] else [p for p in combinations(names, 2) if against not in p]
    pairs = [*others, *rest]
    found = [_two_arms(runs, score, alpha, pair, arms) for arms in pairs]
    corrected = holm([*(comparison.p for comparison in found), *beside])
    rows = [
        {
            "arm": arm,
            "against": other,
            "difference": own.difference,
            "low": own.low,
            "high": own.high,
            "p": own.p,
            "p_holm": p,
            "significant": bool(p < alpha),
            "untold": own.inconclusive,
        }
        # those beside come last
        for (arm, other), own, p in zip(pairs, found, corrected, strict=False)
    ]
    return pd.DataFrame(rows, columns=_COMPARED)


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _sentence(
    intervals: pd.DataFrame,
    comparisons: pd.DataFrame,
    among: pd.DataFrame,
    direction: Direction,
    against: str,
) -> str:
    names = list(intervals["arm"])
    if len(names) < 2:
        return "There is nothing to compare: fewer than two arms have a score."
    conclusive = np.isfinite(comparisons["p"])
    known, inconclusive = comparisons[conclusive], comparisons[~conclusive]
    others = _among(among, direction)
    if known.empty:
        reasons = dict.fromkeys(INCONCLUSIVE[why] for why in inconclusive["untold"])
        return f"Cannot tell: {'; '.join(reasons)}.{others}"
    if known["significant"].any():
        words = _differences(known, direction, against)
    elif others:  # an unsteady arm can have the best mean
        words = f"No significant difference from the best, “{against}”.{others}"
    else:
        words = f"No significant difference between {_listed([against, *known['arm']])}."
    for reason, own in inconclusive.groupby("untold", sort=False):
        words += f" Cannot tell about {_listed(list(own['arm']))} ({reason})."
    return words


def _among(pairs: pd.DataFrame, direction: Direction) -> str:
    """Return a sentence on significant differences between arms other than the best."""
    words = []
    for row in pairs[pairs["significant"]].to_dict("records"):
        first = (row["difference"] > 0) == (direction == "maximize")
        better, worse = (row["arm"], row["against"])[:: 1 if first else -1]
        words.append(f"“{better}” is better than “{worse}”")
    return f" Among the others: {'; '.join(words)}." if words else ""


def _differences(known: pd.DataFrame, direction: Direction, against: str) -> str:
    sign = 1 if direction == "maximize" else -1
    sure = known[known["significant"]]
    better = list(sure.loc[sign * sure["difference"] > 0, "arm"])
    worse = list(sure.loc[sign * sure["difference"] < 0, "arm"])
    equal = list(known.loc[~known["significant"], "arm"])
    words = [f"{_listed([arm])} is better than {_listed([against])}." for arm in better]
    if worse:
        words.append(f"{_listed([against])} is better than {_listed(worse)}.")
    if equal:
        each = "each of " if len(equal) > 1 else ""
        words.append(
            f"No significant difference between {_listed([against])} and {each}{_listed(equal)}."
        )
    return " ".join(words)


def main_effects(
    records: pd.DataFrame,
    factors: Sequence[str],
    score: str,
    direction: Direction,
    alpha: float = 0.05,
    *,
    seed: str = "seed",
) -> MainEffects:
    """Estimate the main effect of each factor of a factorial study.

    The scores of a seed are averaged over the other factors, so that a seed stays one
    observation: counting every run by itself would take the other factors' effects for noise.
    Holm's correction counts the pairs of levels of all factors together.

    Parameters
    ----------
    records
        One row a run.
    factors
        Columns of the factors, two or more.
    score
        Column of the score.
    direction
        Whether more or less is better.
    alpha
        Level of significance.
    seed
        Column of the seed.

    Returns
    -------
    MainEffects
        Empty, with the reason, where a combination lacks a seed: averages over different
        combinations cannot be compared.
    """
    runs = records[np.isfinite(records[score].astype(float))]
    levels = [list(dict.fromkeys(runs[factor])) for factor in factors]
    cells = runs.groupby([*factors, seed])[score].mean()
    if math.prod(map(len, levels)) * runs[seed].nunique() != len(cells) or runs.empty:
        reason = "No main effects: not every combination was run with every seed."
        return MainEffects({}, math.nan, reason)
    interaction = _interaction(cells, [len(found) for found in levels], factors)
    tables = {factor: _averaged(runs, cells, factor, seed) for factor in factors}
    p = {factor: _all_pairs(table, factor, score) for factor, table in tables.items()}
    found = {}
    for factor, table in tables.items():
        # one question, “does any setting matter?”, is one family of comparisons
        others = [value for other in factors if other != factor for value in p[other]]
        found[factor] = verdict(table, factor, score, direction, alpha, beside=others)
    words = [f"{factor}: {own.sentence}" for factor, own in found.items()]
    if interaction < alpha:
        words.append(
            f"The factors do not act independently (p = {interaction:.2g}): read the table of "
            "their combinations rather than these averages."
        )
    return MainEffects(found, interaction, " ".join(words))


def _averaged(runs: pd.DataFrame, cells: pd.Series[float], factor: str, seed: str) -> pd.DataFrame:
    """Return a row for each level and seed, the levels in the order of the runs."""
    means = cells.groupby([factor, seed], sort=False).mean().reset_index()
    order = means[factor].map({level: place for place, level in enumerate(runs[factor])})
    return means.iloc[order.argsort()]


def _all_pairs(table: pd.DataFrame, factor: str, score: str) -> list[float]:
    levels = [own[score] for _, own in table.groupby(factor, sort=False)]
    return [compare(*pair, paired=False).p for pair in combinations(levels, 2)]


def _interaction(cells: pd.Series[float], levels: list[int], factors: Sequence[str]) -> float:
    """Return the p value of the interaction: an F test of the means against additive effects."""
    names = list(factors)
    means, grand = cells.groupby(names).mean(), float(cells.mean())
    additive = sum(
        cells.groupby(name).transform("mean").groupby(names).mean() - grand for name in names
    )
    repeats = len(cells) // len(means)
    free, error_free = len(means) - 1 - sum(n - 1 for n in levels), len(cells) - len(means)
    within = float(((cells - cells.groupby(names).transform("mean")) ** 2).sum())
    if free < 1 or error_free < 1 or within <= 0:
        return math.nan
    between = repeats * float(((means - grand - additive) ** 2).sum())
    return float(stats.f.sf(between / free / (within / error_free), free, error_free))
