"""Report of a study of synthetic data: tables, figure, and the answer in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from napari_cytosynth.training.generate.evaluate.scores import FRECHET
from napari_cytosynth.training.reports.records import read_record
from napari_cytosynth.training.study.report.page import Section, hardware, write_page, write_tables
from napari_cytosynth.training.study.report.statistics import mean_interval
from napari_cytosynth.training.study.report.verdict import verdict

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.study.report.verdict import Verdict

    from .plan import Cell, Plan
    from .steps import AugmentationPipeline

__all__ = ["write_report"]

Cells = dict[int, "list[Cell]"]
# distinguishable with any kind of colour vision (Okabe and Ito)
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#cc79a7", "#009e73", "#e69f00", "#56b4e9")
_COPYING = 0.01  # probability by chance from which images count as copies


def write_report(
    pipeline: AugmentationPipeline, cells: Cells, failures: dict[Path, str], command: str
) -> Path:
    """Write the tables, the figure and the page of a study.

    Parameters
    ----------
    pipeline
        The pipeline that ran.
    cells
        Seed -> the choices of slices that it trained on.
    failures
        Record of each step that failed -> why.
    command
        The command that repeats the study.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    records, made = _records(pipeline, cells, failures), _made(pipeline, cells)
    verdicts = _verdicts(pipeline.plan, records)
    summary = _summary(verdicts)
    write_tables(pipeline.out, records, summary)
    figure = _figure(pipeline.plan, records)
    return write_page(
        pipeline.out,
        title=pipeline.plan.study.title or pipeline.plan.study.name,
        question=pipeline.plan.study.question,
        answer=[*_answer(pipeline.plan, verdicts, made), *_unfinished(records, failures)],
        sections=_sections(pipeline, cells, records, summary, made, figure),
        records=records,
        command=command,
    )


def _records(
    pipeline: AugmentationPipeline, cells: Cells, failures: dict[Path, str]
) -> pd.DataFrame:
    rows = []
    for seed, cell, arm in pipeline.runs(cells):
        folder = pipeline.run(cell, arm, seed)
        trained, tested = (
            read_record(folder / f"{name}.json", result=True) for name in ("trained", "tested")
        )
        found = {
            key: trained.get(key, np.nan)
            for key in ("steps", "synthetic share", "threshold", "validation IoU")
        }
        found |= {key: tested.get(key, np.nan) for key in ("IoU", "Dice", "precision", "recall")}
        reasons = [failures.get(folder / f"{name}.json") for name in ("trained", "tested")]
        why = next((reason for reason in reasons if reason), None)
        status = f"failed: {why}" if why else "finished" if tested else "not finished"
        own = {"slices": len(cell.slices), "arm": arm, "seed": seed, "draw": cell.draw}
        rows.append(own | found | {"seconds": trained.get("seconds", np.nan), "status": status})
    return pd.DataFrame(rows).sort_values(["slices"], kind="stable", ignore_index=True)


def _made(pipeline: AugmentationPipeline, cells: Cells) -> pd.DataFrame:
    """Return one row for each set of generated images, and for the real ones they learned from."""
    rows = []
    for cell in dict.fromkeys(cell for own in cells.values() for cell in own):
        kinds = read_record(pipeline.pairs_record(cell), result=True).get("kinds", {})
        for kind, found in kinds.items():
            chances = {name: found.get(f"chance by {name}") for name in ("features", "pixels")}
            # of copies all through, the chance is 0
            suspicious = [name for name, p in chances.items() if p is not None and p < _COPYING]
            own = {"slices": len(cell.slices), "draw": cell.draw, "images of": kind}
            copies = ", ".join(suspicious) or ("" if kind == "real" else "none")
            rows.append(own | found | {"copies by": copies})
    return pd.DataFrame(rows)


def _verdicts(plan: Plan, records: pd.DataFrame) -> dict[int, Verdict]:
    pair = "seed" if plan.options.fresh_slices else None
    found = {}
    for count, own in records.groupby("slices"):
        tested = set(own.loc[np.isfinite(own["IoU"].astype(float)), "arm"])
        against = plan.options.against if plan.options.against in tested else None
        if tested:
            found[int(str(count))] = verdict(
                own, "arm", "IoU", "maximize", pair=pair, against=against
            )
    return found


def _summary(verdicts: dict[int, Verdict]) -> pd.DataFrame:
    parts = []
    for count, found in verdicts.items():
        compared = found.comparisons.rename(
            columns={"low": "difference, low", "high": "difference, high"}
        )
        table = found.intervals.merge(compared, on="arm", how="left")
        table["significant"] = table["significant"].map({True: "yes", False: "no"})
        table.insert(0, "slices", count)
        parts.append(table.rename(columns={"mean": "IoU", "low": "IoU, low", "high": "IoU, high"}))
    if not parts:
        return pd.DataFrame()
    summary = pd.concat(parts, ignore_index=True)
    conclusive = summary["untold"].isin(["", np.nan]).all()
    return summary.drop(columns="untold") if conclusive else summary


def _answer(plan: Plan, verdicts: dict[int, Verdict], made: pd.DataFrame) -> list[str]:
    words = []
    for count, found in verdicts.items():
        images = "the one real slice" if count == 1 else f"{count} real slices"
        words.append(f"With {images}: {found.sentence}")
        words.append(_gate(plan, count, found, made))
    return words


def _unfinished(records: pd.DataFrame, failures: dict[Path, str]) -> list[str]:
    """Return sentences on the runs without a result, with the reasons."""
    words, status = [], records["status"]
    open_runs, failed = (int(status.str.startswith(w).sum()) for w in ("not", "failed"))
    if open_runs:
        words.append(f"{open_runs} of {len(records)} runs are not finished: repeat the command.")
    if failed:
        reasons = " ".join(dict.fromkeys(failures.values()))
        words.append(f"{failed} of {len(records)} runs failed: {reasons}")
    return words


def _gate(plan: Plan, count: int, found: Verdict, made: pd.DataFrame) -> str:
    """Return whether synthetic images are worth using: they must help, and not be copies."""
    table = found.comparisons.set_index("arm")
    helps = [
        name
        for name, arm in plan.options.arms.items()
        if arm.synthetic != "none"
        and name in table.index
        and table.loc[name, "against"] == plan.options.against
        and bool(table.loc[name, "significant"])
        and float(table["difference"][name]) > 0
    ]
    rows = made[made["slices"] == count] if len(made) else made
    copied = len(rows) and rows["copies by"].isin(["", "none"]).eq(False).any()
    if copied:
        kinds = ", ".join(sorted(set(rows.loc[~rows["copies by"].isin(["", "none"]), "images of"])))
        warning = (
            f"WARNING: the generated images ({kinds}) lie nearer to their training slices than "
            "unseen real ones do: they repeat rather than add."
        )
        return f"{warning} Do not use them" + (", though the IoU rises." if helps else ".")
    if helps:
        return f"Worth using: {', '.join(helps)}."
    if not len(rows):
        return ""
    synthetic = {
        name
        for name, arm in plan.options.arms.items()
        if arm.synthetic != "none" and name != plan.options.against
    }
    conclusive = table[(table["against"] == plan.options.against) & np.isfinite(table["p"])]
    if not synthetic <= {*conclusive.index}:
        return "Whether synthetic images are worth using is not known yet."
    return "No gain that would justify using synthetic images."


def _figure(plan: Plan, records: pd.DataFrame) -> Figure:
    """Draw IoU over the number of real slices, one line for each arm, one dot for each run."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    counts = sorted(set(records["slices"]))
    places = {count: place for place, count in enumerate(counts)}
    arms = list(plan.options.arms)
    for number, arm in enumerate(arms):
        own = records[records["arm"] == arm]
        shift = 0.09 * (number - (len(arms) - 1) / 2)
        colour = _COLOURS[number % len(_COLOURS)]
        found = [mean_interval(own.loc[own["slices"] == count, "IoU"]) for count in counts]
        mean, low, high = np.array(found, float).T
        where = np.arange(len(counts)) + shift
        whiskers = np.nan_to_num([mean - low, high - mean])
        axes.errorbar(
            where, mean, whiskers, color=colour, marker="s", ms=5, capsize=3, lw=1.4, label=arm
        )
        dots = own["slices"].map(places) + shift + 0.03
        axes.plot(dots, own["IoU"], ".", color=colour, alpha=0.5, ms=5)
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set(xlabel="real slices to train on", ylabel="IoU of the test slices")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _sections(
    pipeline: AugmentationPipeline,
    cells: Cells,
    records: pd.DataFrame,
    summary: pd.DataFrame,
    made: pd.DataFrame,
    figure: Figure,
) -> list[Section]:
    caption = (
        "Mean over the seeds with its 95 % confidence interval (Student's t); each dot is one run."
    )
    sections = [
        Section(
            "IoU on the test slices", _table_words(pipeline.plan), summary, [(figure, caption)]
        ),
        Section("How it was done", _method(pipeline, cells, records)),
    ]
    if len(made):
        sections.insert(1, Section("The generated images", _made_words(pipeline.plan), made))
    return sections


def _table_words(plan: Plan) -> list[str]:
    draws = (
        "Every seed has its own slices and its own generator, and arms are compared seed by seed."
        if plan.options.fresh_slices
        else "All seeds share one draw of slices and one generator for each number of slices: the "
        "intervals show how much a segmenter's training varies, not how much the choice of "
        "slices does."
    )
    return [
        "p values are corrected by Holm's method for the number of comparisons at each number of "
        "slices.",
        draws,
    ]


def _made_words(plan: Plan) -> list[str]:
    low, high = plan.options.rare
    return [
        "“like” images are generated for the covered shares of crops of the real slices; “rare” "
        f"ones for shares of {low:.0%} to {high:.0%}, so that few and small objects are in them.",
        f"The {FRECHET} to held-out real crops stands beside that of the real training crops and "
        "of noise with their spectrum.",
        "Suspicious images lie nearer to a training crop than 99 % of the held-out real crops do; "
        f"where their share has a probability below {_COPYING:g} by chance, the images count as "
        "copies, and are not to be used whatever they bring.",
    ]


def _method(pipeline: AugmentationPipeline, cells: Cells, records: pd.DataFrame) -> list[str]:
    plan = pipeline.plan
    arm = next(iter(plan.options.arms))
    segmenter = plan.segmenter(arm, 0, ["a"])
    generator = plan.generator(next(iter(cells.values()))[0])
    tested = len(list((pipeline.out / "slices" / "test" / "image").glob("*.png")))
    steps = sorted({int(n) for n in records["steps"].dropna()})
    return [
        f"{len(plan.study.seeds)} seeds; {len(pipeline.names['train'])} real slices could train, "
        f"{len(pipeline.names['validation'])} validated, {tested} were the test. Pixels were "
        f"averaged {plan.source.data.shrink} × {plan.source.data.shrink} first.",
        f"Generator: {generator.network.architecture} on crops of {generator.data.crop_size} px, "
        f"{generator.train.max_epochs} epochs of {generator.data.crops_per_epoch} crops, trained "
        f"on the named slices alone; {plan.options.images} pairs of each kind.",
        f"Segmenter: {segmenter.network.architecture} with {segmenter.network.arguments}, crops "
        f"of {segmenter.data.crop_size} px, {' or '.join(map(str, steps))} optimiser steps of "
        f"{segmenter.train.batch_size} crops in every arm. Arms whose classic augmentation is on: "
        + ", ".join(f"“{name}”" for name, own in plan.options.arms.items() if own.augment)
        + ".",
        "Where real and generated images are mixed, images are repeated until about "
        f"{plan.options.share:.0%} of the crops are generated ones. The threshold was "
        "chosen on the validation slices; nothing is trained or chosen by the test slices.",
        plan.study.remarks,
        f"Hardware: {hardware()}. Wall time of all steps: {_minutes(pipeline)}.",
    ]


def _minutes(pipeline: AugmentationPipeline) -> str:
    names = ("trained.json", "generated.json", "tested.json")
    seconds: list[Any] = [
        read_record(path, result=True).get("seconds", 0.0)
        for name in names
        for path in pipeline.out.rglob(name)
    ]
    return f"{sum(seconds) / 60:.0f} min"
