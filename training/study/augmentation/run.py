"""Run of a study of synthetic data: whether they improve a segmentation.

For few, some and all real slices a generator of images with their masks is trained on those
slices alone; segmenters then learn from real images, from generated ones, or from both, with
the same number of steps. Thresholds are chosen on validation slices; the test images are read
when everything else is finished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.training.loop.processes import hold_lock
from napari_cytosynth.training.reports.records import read_record, results_folder, write_json

from .data import check_files, nested_slices, write_part
from .plan import Cell, load_plan
from .report import write_report
from .steps import AugmentationPipeline, run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.study.study import Study

    from .plan import Plan

__all__ = ["run"]


def run(
    study: Study,
    data_dir: Path,
    out: Path,
    progress: Progress | None = None,
    *,
    command: str = "",
) -> Path:
    """Run a study of synthetic data, or resume one, and write its page.

    Parameters
    ----------
    study
        Of kind ``augmentation``; its recipe is the segmenter's.
    data_dir
        Folder that the folders in the generator's recipe are in.
    out
        The study's folder. Finished steps are not repeated, and a training that was
        killed resumes from its last checkpoint. Slices, arms and seeds may be added
        to a study.
    progress
        Called before each step; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` stops the study there.
    command
        The command that repeats the study, for the page. Default: built from the arguments.

    Returns
    -------
    Path
        The page ``study.html``. When the work is stopped, it is written with what there is.

    Raises
    ------
    RecipeError
        If a setting is impossible, the data do not fit, the folder holds a study with
        other settings, or another process works on it.
    OutputError
        If the folder cannot be written.
    """
    plan = load_plan(study)
    files = check_files(plan, data_dir)
    with results_folder(out):
        pass
    busy = f"Another process works on the study in {out}: wait for it."
    with hold_lock(out / "study.lock", busy):
        _same_study(plan, files, out)
        return _run(plan, data_dir, out, resolve_progress(progress), command)


def _run(plan: Plan, data_dir: Path, out: Path, progress: Progress, command: str) -> Path:
    parts = ("train", "validation")
    names = {part: write_part(plan, data_dir, part, out / "slices" / part) for part in parts}
    cells = {seed: _cells(plan, names["train"], seed) for seed in plan.study.seeds}
    pipeline = AugmentationPipeline(plan, data_dir, out, names)
    failures: dict[Path, str] = {}
    try:
        run_steps([*pipeline.steps(cells), *pipeline.tests(cells)], progress, failures)
    finally:
        page = write_report(pipeline, cells, failures, command or _command(plan, data_dir))
    return page


def _cells(plan: Plan, names: list[str], seed: int) -> list[Cell]:
    draw = plan.draw(seed)
    counts = [len(names) if count == "all" else count for count in plan.options.slices]
    return [Cell(nested_slices(names, count, draw), draw) for count in dict.fromkeys(counts)]


def _same_study(plan: Plan, files: str, out: Path) -> None:
    record, now = out / "settings.json", plan.identity() | {"data_sha256": files}
    kept = read_record(record) if record.is_file() else dict(now)
    arms = {arm: plan.arm_identity(arm) for arm in plan.options.arms}
    former = kept.pop("arms", {})
    if kept.get("data_sha256") != files:
        raise RecipeError(
            f"The images are not those that the study in {out} was begun with: choose another "
            "--out."
        )
    if kept != now:
        raise RecipeError(
            f"{out} holds a study with other settings: choose another --out. Only slices, arms "
            "and seeds can be added to a study."
        )
    if other := [name for name in arms if former.get(name, arms[name]) != arms[name]]:
        raise RecipeError(
            f"In {out}, “{other[0]}” is the name of another arm: name yours otherwise, or choose "
            "another --out."
        )
    write_json(record, now | {"arms": former | arms})


def _command(plan: Plan, data_dir: Path) -> str:
    return f"cytosynth study {plan.study.name} --data-dir {data_dir.name}"
