"""Loop over the runs of a study: each is trained, scored and recorded once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.progress import silent
from napari_cytosynth.training.reports.records import read_record, results_folder, write_json
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.study.report.page import write_records
from napari_cytosynth.training.study.report.summary import write_report
from napari_cytosynth.training.tasks import task_of

from .failures import TRACE, keep_failure, quiet
from .same_study import remember
from .scoring import score_run
from .trials import Store

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.recipe.base import Recipe

    from .study import Arm, Study
    from .trials import TrialLease

__all__ = ["run_study"]

_MEASURED = ("figures", "baselines", "images", "data_sha256")
_RESULT, _TRAINED = "result.json", "trained.json"


def run_study(
    study: Study,
    data_dir: Path,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> Path:
    """Carry out the unfinished runs of a study, and write its page.

    Several processes may be given the same folder at once: they share the work.

    Parameters
    ----------
    study
        The validated study.
    data_dir
        Folder of the data that the recipe describes.
    out
        Folder of the study. Default: ``studies/<name>``.
    progress
        Called before and after each run with the number of finished ones; may raise
        Cancelled.
    command
        The command that was given, for the page. Default: empty.

    Returns
    -------
    Path
        The page. When the work is stopped, it is written with what there is.

    Raises
    ------
    RecipeError
        If a setting is impossible, the data do not fit, or the folder holds another study or
        runs of another recipe.
    OutputError
        If the folder cannot be written.
    """
    out = Path(out or Path("studies") / study.name)
    if study.kind == "augmentation":
        from .augmentation import run as augmentation_study

        page: Path = augmentation_study.run(study, data_dir, out, progress, command=command)
        return page
    recipe = study.check()
    task_of(recipe).check_part(recipe, data_dir, study.part)
    with results_folder(out):
        remember(study, recipe, out)
        loop = _Loop(study, data_dir, out, progress or silent)
    try:
        loop.work()
    finally:
        page = write_report(study, loop.records(), out, command)
    return page


class _Loop:
    """Loop of one process over the runs of a study."""

    def __init__(self, study: Study, data_dir: Path, out: Path, progress: Progress) -> None:
        self.study, self.data_dir, self.out, self.progress = study, Path(data_dir), out, progress
        self.store = Store(study, out)
        self.total = study.planned * len(study.seeds)

    def folder(self, arm: Arm, seed: int) -> Path:
        return self.out / "runs" / arm.folder / f"seed-{seed}"

    def _todo(self, arm: Arm) -> list[int]:
        """Return the seeds of an arm that have no result."""
        return [seed for seed in self.study.seeds if self._result(arm, seed) is None]

    def work(self) -> None:
        """Work on one arm after the other until none is free."""
        while True:
            with self.store.lease(lambda arm: bool(self._todo(arm))) as lease:
                if lease is None:
                    break
                self._arm(lease)
        done = self._finished()
        self.progress(self.total, self.total, f"{done} of {self.total} runs finished")

    def _arm(self, lease: TrialLease) -> None:
        for seed in self._todo(lease.arm):
            folder = self.folder(lease.arm, seed)
            self.progress(self._finished(), self.total, f"{lease.arm}, seed {seed}")
            with results_folder(folder):
                record = self._run(lease.arm, seed, folder)
                write_json(folder / _RESULT, record)
                write_records(self.out, self.records())  # a kill leaves no time for the page
        self.store.record_score(lease, self._mean(lease.arm))

    def _finished(self) -> int:
        arms = self.store.arms()
        return len(arms) * len(self.study.seeds) - sum(len(self._todo(arm)) for arm in arms)

    def _mean(self, arm: Arm) -> float:
        """Return the mean of the deciding score, over the runs that have one."""
        results = [self._result(arm, seed) for seed in self.study.seeds]
        name = self.study.scores[0].name
        found = [result["figures"].get(name) for result in results if result]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else float("nan")

    def _result(self, arm: Arm, seed: int) -> dict[str, Any] | None:
        """Return the record of a run; None if it lacks the scores of the study."""
        folder = self.folder(arm, seed)
        found = read_record(folder / _RESULT, result=True)
        return found if found and _measured(self.study, found, folder) else None

    def _run(self, arm: Arm, seed: int, folder: Path) -> dict[str, Any]:
        record: dict[str, Any] = {"settings": arm.labels, "values": arm.values, "seed": seed}
        record["asked"] = [score.name for score in self.study.scores]
        former = read_record(folder / _RESULT, result=True)  # of other scores, which stay known
        begun = time.monotonic()
        try:
            with quiet(folder / "log.txt"):
                recipe = self.study.recipe_of(arm, seed)
                model, seconds = _train(recipe, self.data_dir, folder)
                begun = time.monotonic()
                found = score_run(self.study, recipe, model, self.data_dir)
        except Cancelled:
            raise
        except Exception as error:  # one bad setting must not end the study
            message = keep_failure(error, folder)
            spent = {"seconds": time.monotonic() - begun, "status": "failed"}
            kept = {name: former[name] for name in _MEASURED if name in former}
            return record | spent | {"message": message, "figures": {}, "baselines": {}} | kept
        (folder / TRACE).unlink(missing_ok=True)
        return record | {
            "seconds": seconds + time.monotonic() - begun,
            **_outcome(self.study, found.figures),
            "figures": found.figures,
            "baselines": found.baselines,
            "images": found.images,
            "data_sha256": read_record(folder / "run.json")["data_sha256"],
        }

    def records(self) -> pd.DataFrame:
        """Return one row for each run: settings, seed, status, scores, seconds, the rest."""
        arms, seeds = self.store.arms(), self.study.seeds
        results = [self._result(arm, seed) for arm in arms for seed in seeds]
        return pd.DataFrame([_row(self.study, result) for result in results if result])


def _measured(study: Study, result: dict[str, Any], folder: Path) -> bool:
    """Return whether the scores of a run were tried; scores added later need no training."""
    known = {*result["figures"], *result.get("asked", [])}
    return {score.name for score in study.scores} <= known or not (folder / _TRAINED).is_file()


def _outcome(study: Study, figures: dict[str, float]) -> dict[str, str]:
    lost = [score.name for score in study.scores if not np.isfinite(figures[score.name])]
    if not lost:
        return {"status": "finished", "message": ""}
    message = f"{', '.join(lost)} came out as no number: the training went astray."
    return {"status": "failed", "message": message}


def _row(study: Study, result: dict[str, Any]) -> dict[str, Any]:
    figures = {k: float("nan") if v is None else v for k, v in result["figures"].items()}
    names = [score.name for score in study.scores]
    # a run that could not be measured by one score may have been by others
    outcome = _outcome(study, figures) if figures.keys() >= {*names} else result
    row = {**result["settings"], "seed": result["seed"]}
    row |= {name: figures.pop(name, float("nan")) for name in names}
    row["seconds"] = result["seconds"]
    row |= {key: outcome[key] for key in ("status", "message")}
    for origin, base in result["baselines"].items():
        figures |= {f"{name} of {origin}": base[name] for name in names if name in base}
    return row | figures | {k: result[k] for k in ("images", "data_sha256") if k in result}


def _train(recipe: Recipe, data_dir: Path, folder: Path) -> tuple[Path, float]:
    """Train or resume a run, or find its trained model; return its folder and seconds."""
    done = folder / _TRAINED
    if not done.is_file():
        begun = time.monotonic()
        model = train(recipe, data_dir, folder, resume="auto")
        record = read_record(folder / "validation.json")
        seconds = max(float(record.get("seconds", 0)), time.monotonic() - begun)
        write_json(done, {"model": model.name, "seconds": seconds})
    found = read_record(done, result=True)
    return folder / found["model"], float(found["seconds"])
