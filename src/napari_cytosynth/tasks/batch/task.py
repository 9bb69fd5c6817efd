"""A task on many files: the public function :func:`batch`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_callable, check_choice, check_flag, check_whole
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress

from .cluster.blocks import SharingWorker
from .cluster.client import outcomes_of_cluster
from .cluster.connection import check_scheduler
from .plan import make_plan
from .plates.index import PlateIndex
from .pool import outcomes_of_pool
from .records import BatchOutcome
from .report.page import MOST_PICTURES, by_attention
from .result import BatchResult
from .settings import BatchSettings, load_settings, usual_model
from .summary import Summary
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress

    from .records import BatchItem, BatchPlan

    OnPlan = Callable[[BatchPlan], None]
    OnStart = Callable[[BatchItem], None]
    OnOutcome = Callable[[BatchOutcome], None]

__all__ = ["BatchResult", "batch"]

MOST_JOBS = 256


def batch(
    inputs: Any,
    out: str | Path,
    settings: str | Path | BatchSettings | None = None,
    *,
    task: str = "segment",
    model: Any = None,
    intensity: str | Path | None = None,
    series: int | str | None = None,
    recursive: bool = False,
    name_pattern: str | None = None,
    dry_run: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    jobs: int = 1,
    scheduler: str | None = None,
    plates: str = "zarr",
    in_place: bool | str = False,
    on_plan: OnPlan | None = None,
    on_start: OnStart | None = None,
    on_outcome: OnOutcome | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> BatchResult:
    r"""Segment, stain or measure many files, with the same settings.

    Each result lies in `out`, in the folder where its image lies below the folder of all images,
    and is called as the image: ``a-labels.tif``, ``a-table.csv``, ``a-provenance.json`` … A file
    that cannot be read, or whose result cannot be written, is reported, and the others go on.
    ``batch-table.csv`` holds the objects of all files (``file``, ``series``, ``plane`` first),
    ``batch-files.csv`` a line for each file, ``batch-report.html`` shows the results, the
    doubtful ones first.

    Parameters
    ----------
    inputs
        Paths of files, folders, OME-Zarr images and plates, and patterns such as
        ``"day?/*.tif"``; a single one or a sequence. Of a file of several images (series), and
        of a plate, all are taken.
    out
        Folder of the results, made if needed.
    settings
        Task, model and arguments, or the YAML file of such. None (default): those that follow.
    task
        ``"segment"`` (default), ``"stain"``, or ``"measure"``, whose inputs are labels.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. None (default): that of the
        task's own function.
    intensity
        For ``"measure"``: an image to measure intensities in, or a folder of images of the
        labels' names (without ``-labels``). Default: None.
    series
        Number or name of the only series to take of each file. Default: None, all.
    recursive
        Look in the folders of a folder, too. Default: False.
    name_pattern
        Regular expression with named groups, such as ``r"(?P<well>[A-P]\d\d)_f(?P<field>\d+)"``,
        looked for in the relative name of each file and the series behind it: each group becomes
        a column of the tables. Default: None.
    dry_run
        Only find out what would be done; nothing is written. Default: False.
    resume
        Skip what is done: results whose own provenance says that they are of the same image (by
        size and time of the last change), the same settings and the same weights. Labels that
        were corrected by hand are kept. Default: False, everything is made anew.
    overwrite
        Replace files of others, too, and results that were corrected by hand. Default: False.
    jobs
        Processes that work side by side; they share the processor's threads. In a script, put
        the call under ``if __name__ == "__main__":``. Default: 1, this process.
    scheduler
        Address of a Dask scheduler (``"tcp://10.0.0.1:8786"``), or its scheduler file, whose
        workers do the work. They need this package, of the same version, and the same disk.
        Default: None, this machine.
    plates
        Results of the fields of an OME-Zarr plate: ``"zarr"`` (default), a new plate
        ``NAME-segmented.zarr`` with labels and tables; or ``"tiff"``, as of any image.
    in_place
        For ``"segment"`` on OME-Zarr: add the labels to the images' own groups ``labels``, under
        the name that is given, or for True that of the model's objects. Labels that are there
        are never replaced; `out` gets tables and records. Default: False.
    on_plan
        Called with the plan, that is all images, before anything is done. Default: None.
    on_start
        Called with each item when work on it begins. Default: None.
    on_outcome
        Called with each outcome as soon as it is there. Default: None.
    progress
        Called between tiles with the number of files that are done; None (default) shows a bar
        in a console. Raising :class:`~napari_cytosynth.errors.Cancelled` from it stops the run;
        with ``resume=True`` the next one goes on from there.
    **parameters
        Arguments of the task's function: ``threshold``, ``pixel_size`` …; for ``"stain"`` also
        ``objects``, the stain whose objects are found.

    Returns
    -------
    BatchResult

    Raises
    ------
    InputError
        If no image is found, or an argument is wrong.
    OutputError
        If `out` cannot be written, or its summary would replace a file of others.
    ModelError
        If the model cannot be loaded.
    CytosynthError
        If the scheduler does not answer, or a worker cannot work.
    Cancelled
        From `progress`.
    """
    chosen = _settings(settings, task, model, parameters)
    jobs = check_whole(jobs, "jobs", 1, MOST_JOBS)
    check_choice(plates, "plates", ("zarr", "tiff"))
    flags = {"recursive": recursive, "dry_run": dry_run, "resume": resume, "overwrite": overwrite}
    for name, value in flags.items():
        check_flag(value, name)
    watched = {"on_plan": on_plan, "on_start": on_start, "on_outcome": on_outcome}
    for name, function in watched.items():
        check_callable(function, name)
    if intensity is not None and chosen.task != "measure":
        raise InputError("Only “measure” takes intensities.")
    added = _checked_place(in_place, chosen.task)
    if scheduler is not None:
        if jobs > 1:
            raise InputError("Give either jobs or a scheduler, whose workers are the processes.")
        scheduler = check_scheduler(scheduler)
    plan = make_plan(
        inputs,
        out,
        chosen.task,
        series=series,
        intensity=intensity,
        recursive=recursive,
        name_pattern=name_pattern,
        plates=plates == "zarr" or added is not None,
        in_place=added is not None,
        progress=resolve_progress(progress),
    )
    if on_plan is not None:
        on_plan(plan)
    worker = Worker(chosen, plan.out, bool(resume), bool(overwrite), added)
    run = _Run(plan, worker, jobs, scheduler, on_start, on_outcome, progress)
    return run.planned() if dry_run else run.execute()


def _settings(given: Any, task: str, model: Any, parameters: dict[str, Any]) -> BatchSettings:
    if given is None:
        return BatchSettings(task, usual_model(task) if model is None else model, parameters)
    if model is not None or parameters or task != "segment":
        raise InputError("Give either settings, or task, model and arguments.")
    return given if isinstance(given, BatchSettings) else load_settings(given)


def _checked_place(in_place: Any, task: str) -> str | None:
    """Return the name of labels that are added in place, "" for the usual one; None for none."""
    named = isinstance(in_place, str)
    if not named and not check_flag(in_place, "in_place"):
        return None
    if task != "segment":
        raise InputError("Only “segment” adds labels in place.")
    return str(in_place) if named else ""


class _Run:
    """One run over the items of a plan."""

    def __init__(
        self,
        plan: BatchPlan,
        worker: Worker,
        jobs: int,
        scheduler: str | None,
        on_start: OnStart | None,
        on_outcome: OnOutcome | None,
        progress: Progress | None,
    ) -> None:
        self.plan, self.worker = plan, worker
        self.jobs, self.scheduler = jobs, scheduler
        self.on_start, self.on_outcome, self.progress = on_start, on_outcome, progress
        self.outcomes: dict[int, BatchOutcome] = {}
        self.pictures = 0
        self.index: PlateIndex | None = None

    def planned(self) -> BatchResult:
        for number, item in enumerate(self.plan.items):
            earlier = None if item.problem else self.worker.earlier(item)
            state = BatchOutcome(item, "failed" if item.problem else "planned", item.problem)
            self._keep(number, earlier or state)
        return self._result()

    def execute(self) -> BatchResult:
        summary = Summary(self.plan, self.worker)
        summary.check()
        self.worker.load()
        self.index = PlateIndex(self.plan.out, self.worker.settings.task, self.plan.items)
        self._resume()
        todo = [number for number in range(len(self.plan.items)) if number not in self.outcomes]
        if todo:
            self._do(todo)
        return summary.write(self._result())

    def _keep(self, number: int, outcome: BatchOutcome) -> None:
        self.outcomes[number] = outcome
        if self.index is not None and outcome.files:
            self.index.add(outcome.item)
        if outcome.thumbnail:
            self._spare_memory()
        if self.on_outcome is not None:
            self.on_outcome(outcome)

    def _begin(self, item: BatchItem) -> None:
        if self.on_start is not None:
            self.on_start(item)

    def _spare_memory(self) -> None:
        """Let go of pictures that the page would not show."""
        self.pictures += 1
        if self.pictures <= 2 * MOST_PICTURES:
            return
        shown = {id(outcome) for outcome in by_attention(self.outcomes.values())[:MOST_PICTURES]}
        for number, outcome in self.outcomes.items():
            if outcome.thumbnail and id(outcome) not in shown:
                self.outcomes[number] = replace(outcome, thumbnail=b"")
        self.pictures = MOST_PICTURES

    def _result(self) -> BatchResult:
        outcomes = tuple(self.outcomes[number] for number in sorted(self.outcomes))
        return BatchResult(self.plan, self.worker.settings, outcomes, self._messages())

    def _messages(self) -> tuple[str, ...]:
        known, settings = self.plan.messages, self.worker.settings
        model = self.worker.load() if settings.weights else None
        if model is None or model.sha256 == settings.weights:
            return known
        return (
            *known,
            f"The settings were made with other weights of “{model.card.name}” (SHA-256 "
            f"{str(settings.weights)[:12]}…, now {model.sha256[:12]}…): results differ.",
        )

    def _resume(self) -> None:
        if not self.worker.resume:
            return
        progress, count = resolve_progress(self.progress), len(self.plan.items)
        for number, item in enumerate(self.plan.items):
            progress(number, count, "looking at what is done")
            if (earlier := self.worker.earlier(item)) is not None:
                self._keep(number, earlier)
        progress(count, count, "looking at what is done")

    def _do(self, todo: Sequence[int]) -> None:
        items = [self.plan.items[number] for number in todo]
        progress = resolve_progress(self.progress)
        failed = 0

        def report(done: int, what: str) -> None:
            trouble = f"{failed} failed" if failed else ""
            # the last word is spoken once all is done: a bar closes with it
            text = " · ".join(part for part in (trouble, what or "files") if part)
            if done < len(items):
                progress(done, len(items), text)

        # closed with its processes, whatever is raised here
        with closing(self._steps(items, report)) as steps:
            for place, outcome in steps:
                failed += outcome.state == "failed"
                self._keep(todo[place], outcome)
        progress(len(items), len(items), "files")

    def _steps(
        self, items: Sequence[BatchItem], report: Callable[[int, str], None]
    ) -> Generator[tuple[int, BatchOutcome], None, None]:
        if self.scheduler is not None:
            return self._on_cluster(items, report, self.scheduler)
        if self.jobs == 1 or len(items) == 1:
            return self._one_by_one(items, report, self.worker)
        return self._side_by_side(items, report)

    def _on_cluster(
        self, items: Sequence[BatchItem], report: Callable[[int, str], None], scheduler: str
    ) -> Generator[tuple[int, BatchOutcome], None, None]:
        """Give each image to a worker; then those that are too large for one, block by block."""
        worker = self.worker
        shared = [n for n, item in enumerate(items) if worker.blocked_run(item) is not None]
        whole = [number for number in range(len(items)) if number not in set(shared)]
        if whole:
            some = [items[number] for number in whole]
            with closing(outcomes_of_cluster(worker, some, scheduler, report, self._begin)) as done:
                for place, outcome in done:
                    yield whole[place], outcome
        sharing = SharingWorker(worker.settings, worker.out, False, worker.overwrite)
        sharing.scheduler = scheduler
        some = [items[number] for number in shared]
        for place, outcome in self._one_by_one(some, report, sharing, len(whole)):
            yield shared[place], outcome

    def _one_by_one(
        self,
        items: Sequence[BatchItem],
        report: Callable[[int, str], None],
        worker: Worker,
        before: int = 0,
    ) -> Generator[tuple[int, BatchOutcome], None, None]:
        for number, item in enumerate(items):
            done_before = before + number

            def within(
                done: int, total: int, message: str, /, at: int = done_before, of: str = item.title
            ) -> None:
                report(at, f"{of}: {message} {done}/{total}")

            report(done_before, item.title)
            self._begin(item)
            yield number, worker.do(item, within)

    def _side_by_side(
        self, items: Sequence[BatchItem], report: Callable[[int, str], None]
    ) -> Generator[tuple[int, BatchOutcome], None, None]:
        jobs = min(self.jobs, len(items))
        worker = replace(self.worker, resume=False)
        yield from outcomes_of_pool(worker, items, jobs, report, self._begin)
