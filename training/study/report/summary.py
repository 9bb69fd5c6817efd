"""Summary of a study: tables, the answer in words, the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.generate.evaluate.scores import FRECHET, KERNEL, lies_nearer_to_real

from .figures import arms_figure, pair_figure
from .page import Section, cell, hardware, write_page, write_tables
from .verdict import main_effects, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.study.score_names import Score
    from napari_cytosynth.training.study.study import Study

    from .verdict import Verdict

__all__ = ["summarise", "write_report"]

_FAILED = "failed"
_ORIGINS = {"real images": "real training images, the best to ask for", "noise": "shapeless noise"}


def summarise(study: Study, records: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm: settings, runs, and of each score mean, low and high.

    Parameters
    ----------
    study
        The study.
    records
        One row for each run.

    Returns
    -------
    DataFrame
        The bounds are those of the 95 % confidence interval of the mean; NaN for one run.
    """
    factors = list(study.factors.values())
    if records.empty:
        return pd.DataFrame(columns=factors)
    groups = records.groupby(factors, sort=False)
    table = groups.agg(runs=("seed", "size"), seconds=("seconds", "mean")).reset_index()
    table["failed"] = list(groups["status"].agg(lambda status: (status == _FAILED).sum()))
    for score in study.scores:
        found = _verdict(study, records, score).intervals
        columns = {"mean": score.name, "low": f"{score.name} low", "high": f"{score.name} high"}
        own = found[[*factors, *columns]].rename(columns=columns) if len(found) else None
        if own is not None:
            table = table.merge(own, "left", on=factors)
    return table


def _verdict(study: Study, records: pd.DataFrame, score: Score) -> Verdict:
    return verdict(records, list(study.factors.values()), score.name, score.direction)


def _shown(study: Study, summary: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Format the summary for reading: ``12.3 [11.9, 12.7]``, baselines below."""
    factors = list(study.factors.values())
    table = summary[factors].astype(object)
    table["runs"] = [
        f"{runs - failed} of {runs}" if failed else runs
        for runs, failed in zip(summary["runs"], summary["failed"], strict=True)
    ]
    names = [score.name for score in study.scores if score.name in summary]
    for name in names:
        bounds = zip(summary[name], summary[f"{name} low"], summary[f"{name} high"], strict=True)
        table[name] = [_interval(*bound) for bound in bounds]
    for origin, words in _ORIGINS.items():
        means = {name: _baseline(records, name, origin) for name in names}
        if any(np.isfinite(value) for value in means.values()):
            row = {factors[0]: words, **{name: cell(value) for name, value in means.items()}}
            table = pd.concat([table, pd.DataFrame([row], dtype=object)], ignore_index=True)
    return table


def _interval(mean: float, low: float, high: float) -> str:
    return f"{cell(mean)} [{cell(low)}, {cell(high)}]" if np.isfinite(low) else cell(mean)


def _baseline(records: pd.DataFrame, name: str, origin: str) -> float:
    column = f"{name} of {origin}"
    return float(records[column].mean()) if column in records else float("nan")


def write_report(study: Study, records: pd.DataFrame, out: Path, command: str) -> Path:
    """Write the tables and the page of a study of kind ablation or search.

    Parameters
    ----------
    study
        The study.
    records
        One row for each run.
    out
        Its folder.
    command
        The command that was given.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    summary = summarise(study, records)
    if records.empty:
        answer, sections = ["No run is finished yet."], []
    else:
        shown = _shown(study, summary, records)
        table = Section("The arms", [_reading(study), _families(study)], shown)
        answer = [*_progress(study, records), *_answer(study, records)]
        sections = [table, *_scores(study, records), _failures(study, records)]
        write_tables(out, records, summary, shown)
    return write_page(
        out,
        title=study.title or study.name,
        question=study.question,
        answer=answer,
        sections=[*filter(None, sections), *_setup(study, records, out)],
        records=_every_run(study, records),
        command=command,
    )


def _progress(study: Study, records: pd.DataFrame) -> list[str]:
    planned = study.planned * len(study.seeds)
    words = []
    if len(records) < planned:
        words.append(f"Preliminary: {len(records)} of {planned} runs are done.")
    failed = records[records["status"] == _FAILED]
    if len(failed):
        arms = failed.groupby(list(study.factors.values()), sort=False).size()
        named = ", ".join(f"{_called(study, arm)}: {count}" for arm, count in arms.items())
        words.append(
            f"{len(failed)} of {len(records)} runs failed and count nowhere below ({named}). An "
            "arm of which runs fail looks better than it is."
        )
    if "data_sha256" in records and records["data_sha256"].nunique() > 1:
        words.append("WARNING: the data changed between the runs, so they cannot be compared.")
    return words


def _called(study: Study, values: object) -> str:
    """Return the name of an arm, made of the values of its settings."""
    each = values if isinstance(values, tuple) else (values,)
    pairs = zip(study.factors.values(), each, strict=True)
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _reading(study: Study) -> str:
    return (
        f"Mean over the finished runs of {counted(len(study.seeds), 'seed')} with its 95 % "
        f"confidence interval (Student's t), measured on the {study.part} part."
    )


def _families(study: Study) -> str:
    """Return a sentence on the comparisons that the p values are corrected for."""
    words = (
        "p values are corrected by Holm's method: those of the arms for all pairs of arms, those "
        "of averages for all pairs of values of all settings together."
    )
    if len(study.scores) < 2:
        return words
    return (
        f"{words} The {len(study.scores)} scores are not corrected for each other, each being a "
        "question of its own: where one score tells a difference and no other supports it, take "
        "it for weak evidence."
    )


def _answer(study: Study, records: pd.DataFrame) -> list[str]:
    factors, words = list(study.factors.values()), []
    if len(factors) > 1:
        words.append(f"Arms are called by their {' · '.join(factors)}.")
    for number, score in enumerate(study.scores):
        found = _verdict(study, records, score)
        less = "less" if score.direction == "minimize" else "more"
        if study.kind == "search" and number == 0 and found.best:
            words.append(_best(study, found, score))
        words.append(f"{score.name} ({less} is better): {found.sentence}")
        varied = [name for name in factors if records[name].nunique() > 1]
        if study.sampler == "grid" and len(varied) > 1 and found.best:
            effects = main_effects(records, varied, score.name, score.direction)
            words.append(f"{score.name}, each setting averaged over the others: {effects.sentence}")
        words += _nearer_to_noise(found, records, score)
    return words


def _nearer_to_noise(found: Verdict, records: pd.DataFrame, score: Score) -> list[str]:
    """Return a warning if the compared arms lie nearer to noise than to real images."""
    real, noise = (_baseline(records, score.name, origin) for origin in _ORIGINS)
    if score.name not in (FRECHET, KERNEL) or not np.isfinite(noise):
        return []
    means = list(found.intervals["mean"])
    bad = sum(not lies_nearer_to_real(mean, real, noise) for mean in means)
    if not bad:
        return []
    return [
        f"WARNING: by the {score.name}, {bad} of {counted(len(means), 'arm')} lie nearer to "
        "shapeless noise than to real images: such runs are too short to say much about images."
    ]


def _best(study: Study, found: Verdict, score: Score) -> str:
    rows = found.intervals.to_dict("records")
    best = next(row for row in rows if row["arm"] == found.best)
    alike = sum(row["mean"] == best["mean"] for row in rows)
    if alike > 1:
        return f"{counted(alike, 'arm')} share the best mean {score.name}, {best['mean']:.4g}."
    arm = _called(study, tuple(best[name] for name in study.factors.values()))
    value = _interval(best["mean"], best["low"], best["high"])
    return (
        f"The best mean {score.name} has {arm}: {value}. It was chosen among "
        f"{counted(len(found.intervals), 'arm')} by the same images, so it flatters itself a "
        "little: before quoting it, measure its models, which are in the folder “runs”, on test "
        "images by cytosynth evaluate."
    )


def _scores(study: Study, records: pd.DataFrame) -> list[Section]:
    factors, sections = list(study.factors.values()), []
    for score in study.scores:
        found = _verdict(study, records, score)
        if found.intervals.empty:
            continue
        base = {words: _baseline(records, score.name, name) for name, words in _ORIGINS.items()}
        caption = "One dot for each run; diamonds and lines: mean and 95 % confidence interval."
        figures = [(arms_figure(records, factors, score, found.intervals, base), caption)]
        varied = [name for name in factors if records[name].nunique() > 1]
        if study.sampler == "grid" and len(varied) == 2:
            parallel = "Parallel lines: the two settings act independently of each other."
            figures.append((pair_figure(records, varied, score), parallel))
        note = (
            "Each arm against the best one by Welch's t test, the p values (p_holm) corrected for "
            "all pairs by Holm's method. The intervals of the differences are not corrected."
        )
        table = found.comparisons
        table = table if table["untold"].any() else table.drop(columns="untold")
        sections.append(Section(score.name, [note], table, figures))
    return sections


def _failures(study: Study, records: pd.DataFrame) -> Section | None:
    failed = records[records["status"] == _FAILED]
    if failed.empty:
        return None
    words = (
        f"{counted(len(failed), 'run')} failed and count nowhere above. To try one again, delete "
        "its folder below “runs” and repeat the command."
    )
    columns = [*study.factors.values(), "seed", "message"]
    return Section("What failed", [words], failed[columns])


def _every_run(study: Study, records: pd.DataFrame) -> pd.DataFrame:
    names = [*study.factors.values(), "seed", *(score.name for score in study.scores)]
    return records[[*names, "seconds", "status"]] if len(records) else records


def _setup(study: Study, records: pd.DataFrame, out: Path) -> list[Section]:
    words = [study.remarks, f"Made on {hardware()}."]
    if len(records):
        total, mean = records["seconds"].sum(), records["seconds"].mean()
        words.append(
            f"{counted(len(records), 'run')} took {total / 60:.1f} min of training and scoring "
            f"together, {mean:.0f} s each."
        )
    if "images" in records and records["images"].notna().any():
        words.append(
            f"Each run was scored on {records['images'].max():.0f} images (crops, for generators) "
            f"of the {study.part} part"
            + ("." if study.part == "test" else ", which picked its checkpoint as well.")
        )
    given = study.model_dump(mode="json", exclude_defaults=True)
    sections = [
        Section(
            "What was run", words, code=yaml.safe_dump(given, sort_keys=False, allow_unicode=True)
        ),
    ]
    recipe = next(iter(sorted(out.glob("runs/*/*/recipe.yaml"))), None)
    if recipe is not None:
        text = "Its other settings, but for those that are varied, are those of every run."
        sections.append(Section("Recipe of one run", [text], code=recipe.read_text("utf-8")))
    return sections
