"""Figures of a study: every run as a dot, every arm as a mean with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_cytosynth.training.study.score_names import Score

__all__ = ["arms_figure", "pair_figure"]

# distinguishable with any kind of colour vision (Okabe and Ito)
_BLUE, _ORANGE, _GREEN = "#0072b2", "#d55e00", "#009e73"
_FAR = 3.0  # a baseline further off than so many spreads of the runs would squeeze them


def _hint(score: Score) -> str:
    return f"{score.name} ({'less' if score.direction == 'minimize' else 'more'} is better)"


def _names(records: pd.DataFrame, factors: Sequence[str]) -> pd.Series[str]:
    return records[list(factors)].astype(str).agg(" · ".join, axis=1)


def arms_figure(
    records: pd.DataFrame,
    factors: Sequence[str],
    score: Score,
    intervals: pd.DataFrame,
    baselines: Mapping[str, float],
) -> Figure:
    """Draw one score: a row for each arm, a dot for each seed, mean and interval.

    Parameters
    ----------
    records
        One row a run.
    factors
        Columns that name the arm.
    score
        What is drawn.
    intervals
        Of :class:`~.statistics.Verdict`.
    baselines
        Name -> value, drawn as lines where they are near.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 0.34 * max(len(intervals), 1)), layout="constrained")
    axes = figure.add_subplot()
    names = _names(records, factors)
    for row, arm in enumerate(intervals.to_dict("records")):
        dots = records.loc[names == arm["arm"], score.name]
        axes.plot(dots, np.full(len(dots), row), "o", color=_BLUE, alpha=0.45, ms=5)
        axes.plot(arm["mean"], row, "D", color=_ORANGE, ms=6)
        if np.isfinite(arm["low"]):
            axes.plot([arm["low"], arm["high"]], [row, row], color=_ORANGE, lw=2)
    _baselines(axes, records[score.name], baselines)
    axes.set_yticks(range(len(intervals)), list(intervals["arm"]))
    axes.set_ylim(len(intervals) - 0.5, -0.5)
    axes.set_xlabel(_hint(score))
    axes.set_ylabel(" · ".join(factors))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _baselines(axes: Axes, values: pd.Series[float], baselines: Mapping[str, float]) -> None:
    low, high = float(values.min()), float(values.max())
    margin = _FAR * max(high - low, 0.1 * abs(high))
    near = {k: v for k, v in baselines.items() if low - margin <= v <= high + margin}
    for (name, value), style in zip(near.items(), ("--", ":"), strict=False):
        axes.axvline(value, color=_GREEN, ls=style, label=name)
    if near:
        axes.legend(loc="best", frameon=False, fontsize="small")


def pair_figure(records: pd.DataFrame, factors: Sequence[str], score: Score) -> Figure:
    """Draw the means of one score over two settings, one line for each value of the second.

    Parameters
    ----------
    records
        One row a run.
    factors
        The two columns.
    score
        What is drawn. Lines that are parallel mean settings that act independently.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    means = records.pivot_table(score.name, factors[0], factors[1], sort=False)
    styles = ("o-", "s--", "^:", "D-.", "v-", "P--")
    for number, name in enumerate(means.columns):
        axes.plot(range(len(means)), means[name], styles[number % len(styles)], label=str(name))
    axes.set_xticks(range(len(means)), [str(name) for name in means.index])
    axes.set_xlabel(factors[0])
    axes.set_ylabel(f"mean of {score.name}")
    axes.legend(title=factors[1], frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
