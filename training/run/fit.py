"""A training run: all rounds, and a folder with recipe, versions, logs, checkpoints and model."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from napari_cytosynth.console import echo
from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.loop.callbacks import (
    Clock,
    EpochSeed,
    ExponentialAverage,
    ProgressBar,
    RevertToBest,
)
from napari_cytosynth.training.loop.checkpoints import AtomicCheckpoints
from napari_cytosynth.training.loop.limits import ReportedProgress, TimeLimit
from napari_cytosynth.training.loop.nearness import FrozenStatistics, KeptNearStart
from napari_cytosynth.training.loop.precision import describe_precision, run_precision
from napari_cytosynth.training.loop.processes import (
    FirstWrites,
    check_processes,
    hold_lock,
    interruptible,
    is_first,
    run_on_first,
    strategy,
)
from napari_cytosynth.training.recipe.hardware import process_count
from napari_cytosynth.training.reports.model_export import start_note
from napari_cytosynth.training.reports.records import read_record, results_folder
from napari_cytosynth.training.reports.run_folder import (
    CHOSEN,
    LAST,
    LOCK,
    check_data,
    holds_run,
    write_facts,
)
from napari_cytosynth.training.tasks import task_of

from .lineage import renew_card, source_record
from .preflight import begun_last, check_begin, folders_before, parts
from .rounds import earlier_rounds, is_done, round_folder, spent, starting_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.loop.module import NetworkModule
    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["check_start", "train"]

# Lightning's hints are about its own defaults; none of them tells the user what to do.
_HINTS = (
    r"The dirpath has changed from",  # a folder that was moved goes on all the same
    r".*Checkpoint directory .* exists and is not empty",
    r".*does not have many workers",
    r"The `srun` command is available",  # of a machine with SLURM, outside of a job
    r".*is smaller than the logging interval",
    r".*Experiment logs directory",
    r".*isinstance\(treespec, LeafSpec\)",
    r".*recommended to use `self.log\(.*sync_dist=True\)`",
)


def _callbacks(recipe: Recipe, out: Path) -> tuple[list[Callback], RevertToBest, Clock]:
    train = recipe.train
    average = ExponentialAverage(train.ema)
    best = RevertToBest(
        out,
        average,
        f"validation/{train.monitor}",
        maximise=train.monitor == "score",
        revert_after=train.revert_after,
        stop_after=train.stop_after,
    )
    last = ModelCheckpoint(
        dirpath=out,
        filename=LAST.removesuffix(".ckpt"),
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    clock = Clock()
    found: list[Callback] = [EpochSeed(train.seed), average, clock]
    if train.minutes:
        found.append(TimeLimit(train.minutes, clock))
    if train.keep:
        found.append(KeptNearStart(train.keep))
    if train.freeze_statistics:
        found.append(FrozenStatistics())
    return [*found, best, last], best, clock


def _trainer(
    recipe: Recipe,
    out: Path,
    callbacks: list[Callback],
    epochs: int,
    precision: str,
    *,
    begins: bool,
) -> Trainer:
    train = recipe.train
    manual = recipe.two_optimisers  # which the module steps itself
    accelerator = "gpu" if train.accelerator == "cuda" else train.accelerator
    return Trainer(
        accelerator=accelerator,
        devices=train.devices,
        num_nodes=train.num_nodes,
        max_epochs=epochs,
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        accumulate_grad_batches=1 if manual else train.accumulate,
        gradient_clip_val=None if manual else train.gradient_clip or None,
        check_val_every_n_epoch=train.validate_every,
        # Lightning does it after an interruption, too: the start would be what was learned by then
        num_sanity_val_steps=-1 if train.validate_start and begins else 0,
        **strategy(train, manual=manual),
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        logger=[TensorBoardLogger(out, name="", version="tensorboard"), CSVLogger(out, name="csv")],
        log_every_n_steps=10,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(each, ProgressBar) for each in callbacks),
        default_root_dir=out,
    )


def _steps(recipe: Recipe, data: EpochData) -> int:
    assert data.dataset is not None
    size = recipe.train.batch_size
    crops = len(data.dataset) // process_count(recipe.train)
    batches = crops // size if crops >= size else 1
    return recipe.train.max_epochs * -(-batches // recipe.train.accumulate)


def _train_first_stage(recipe: Recipe, data_dir: Path, out: Path) -> Recipe:
    """Train the first stage unless it is done; return the recipe completed by it."""
    first = task_of(recipe).first_stage(recipe, out)
    if first is None:
        return recipe
    if not (first.folder / CHOSEN).is_file():
        first.check(data_dir)
        train(first.recipe, data_dir, first.folder, resume="auto")
    return first.finish(data_dir)


def train(
    recipe: Recipe,
    data_dir: Path,
    out: Path | None = None,
    *,
    resume: bool | Literal["auto"] = False,
    stop_at_epoch: int | None = None,
    progress: Progress | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train, select checkpoint and thresholds on validation data, and export.

    Parameters
    ----------
    recipe
        The validated recipe.
    data_dir
        Folder that holds the image and truth folders named in the recipe.
    out
        Run folder; None (default) for ``runs/<recipe name>``. Rounds before the last one have the
        folders ``round-1``, ``round-2`` and so on in it.
    resume
        Go on from the run's last checkpoint; the result equals an unbroken run's. ``auto``:
        if there is one, else begin. Default: False.
    stop_at_epoch
        End the last round here as an interruption would, without a model; its schedule stays that
        of the whole. None (default) for no end.
    progress
        Called after every batch; raising `Cancelled` from it stops the run, which can be resumed.
        None (default): a bar in the console.
    callbacks
        Lightning's, called last, in the last round. Default: none.

    Returns
    -------
    Path
        The exported model folder: config.json, model.safetensors, README.md.

    Raises
    ------
    RecipeError
        If the data do not fit the recipe, there is nothing to resume, or what is there was
        begun with other settings or images, or another process trains in the folder.
    OutputError
        If the run folder cannot be made.
    KeyboardInterrupt
        If Ctrl-C was pressed; the run can be resumed.
    """
    out, data_dir = Path(out or Path("runs") / recipe.name), Path(data_dir)
    check_start(recipe, data_dir, out, resume=resume)
    if is_done(recipe, out):
        renew_card(recipe, out)
        return out / recipe.name
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if process_count(recipe.train) > 1:
        return _train_all(recipe, data_dir, out, stop_at_epoch, progress, callbacks)
    with results_folder(out):
        pass
    with hold_lock(out / LOCK, f"Another process trains in {out}: choose another --out."):
        return _train_all(recipe, data_dir, out, stop_at_epoch, progress, callbacks)


def _train_all(
    recipe: Recipe,
    data_dir: Path,
    out: Path,
    stop_at_epoch: int | None,
    progress: Progress | None,
    callbacks: Sequence[Callback],
) -> Path:
    """Train the remaining stages and rounds."""
    if is_first():
        before = folders_before(recipe, out, len(recipe.rounds) + 1)
        echo(describe_precision(recipe.train, out, before))
    recipe = _train_first_stage(recipe, data_dir, out)
    begun = begun_last(recipe, out)
    for number, earlier in enumerate(earlier_rounds(recipe), 1):
        folder = round_folder(out, number)
        if number >= begun and not is_done(earlier, folder):
            start = starting_from(earlier, number, out)
            _Round(start, data_dir, folder, out, number, progress=progress).finish()
    number = len(recipe.rounds) + 1
    last = starting_from(recipe, number, out)
    ending = _Round(last, data_dir, out, out, number, recipe, progress, tuple(callbacks))
    return ending.finish(stop_at_epoch)


def check_start(
    recipe: Recipe, data_dir: Path, out: Path, *, resume: bool | Literal["auto"] = False
) -> None:
    """Check that :func:`train` could begin, or go on; no image is read, nothing is trained.

    Raises
    ------
    CytosynthError
        As :func:`train` would.
    """
    check_begin(recipe, out, resume=resume)
    data = task_of(recipe).data(recipe, data_dir, out)  # lists the files
    for _, folder in parts(recipe, out):
        if holds_run(folder):
            check_data(data, folder)


def _check_reached(best: RevertToBest) -> None:
    if best.best is not None and not (best.broken and best.epoch < 0):
        return
    if best.waited:
        raise RecipeError(
            f"The training has diverged: its weights or its {best.monitor} are no numbers, so that "
            "no model was written. Lower train.learning_rate, and look for broken images with "
            "--check."
        )
    raise RecipeError("No validation was reached: raise max_epochs or lower validate_every.")


def _fresh(recipe: Recipe) -> Recipe:
    """Return a recipe that starts from no other model."""
    network = recipe.network.model_copy(update={"start_from": None})
    return recipe.model_copy(update={"network": network})


@dataclass
class _Round:
    """One round of training, with its folder and that of the whole run."""

    recipe: Recipe
    data_dir: Path
    out: Path
    whole_out: Path
    number: int
    whole: Recipe | None = None
    progress: Progress | None = None
    callbacks: tuple[Callback, ...] = ()

    @cached_property
    def precision(self) -> str:
        """Number format of this round, fixed when it begins."""
        before = folders_before(self.recipe, self.whole_out, self.number)
        return run_precision(self.recipe.train, self.out, before)

    def finish(self, stop_at_epoch: int | None = None) -> Path:
        """Train or resume the round, and export its model."""
        task = task_of(self.recipe)
        data = task.data(self.recipe, self.data_dir, self.whole_out)
        data.setup("fit")
        check_processes(self.recipe.train, len(data.dataset))  # type: ignore[arg-type]
        checkpoint = self.out / LAST
        resume = checkpoint.is_file()
        # a checkpoint holds all weights: those of the start may be gone by now
        recipe = _fresh(self.recipe) if resume else self.recipe
        with results_folder(self.out):
            module = task.module(recipe, _steps(recipe, data))
        data.prepare_network(module.network)
        before = self._before(data)
        if is_first() and (note := before.get("settings_note")):
            echo(note)
        callbacks, best, clock = self._callbacks(data, module, before)
        epochs = stop_at_epoch or self.recipe.train.max_epochs
        with interruptible(), warnings.catch_warnings():
            for hint in _HINTS:
                warnings.filterwarnings("ignore", hint)
            trainer = _trainer(
                self.recipe, self.out, callbacks, epochs, self.precision, begins=not resume
            )
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=str(checkpoint) if resume else None,
                weights_only=True if resume else None,
            )
        if stop_at_epoch and stop_at_epoch < self.recipe.train.max_epochs:
            return self.out / self.recipe.name  # interrupted: there is nothing to export yet
        _check_reached(best)
        # next rounds start from the model, and machines that are gone would not come back if the
        # first one's export failed
        run_on_first(partial(self._export, trainer, module, data, best, clock, before))
        return self.out / self.recipe.name

    def _callbacks(
        self, data: EpochData, module: NetworkModule, before: dict[str, Any]
    ) -> tuple[list[Callback], RevertToBest, Clock]:
        recipe = self.recipe
        callbacks, best, clock = _callbacks(recipe, self.out)
        whole = self.whole or recipe
        facts = partial(write_facts, whole, data, self.out, seed=recipe.train.seed)
        facts = partial(facts, precision=self.precision, before=before)
        callbacks.append(FirstWrites(facts))
        callbacks += task_of(recipe).callbacks(recipe, data, module)
        limit = next((each for each in callbacks if isinstance(each, TimeLimit)), None)
        module.spent = None if limit is None else limit.spent
        module.average = next(c for c in callbacks if isinstance(c, ExponentialAverage))
        bar = ProgressBar(refresh_rate=5)
        steps = _steps(recipe, data)
        report = self.progress and ReportedProgress(self.progress, steps, limit)
        return [*callbacks, report or bar, *self.callbacks], best, clock

    def _before(self, data: EpochData) -> dict[str, Any]:
        """Return steps and seconds of earlier rounds, the source model, and what is kept of it."""
        kept = read_record(self.out / "run.json").get("before")
        if kept and (self.out / LAST).is_file():
            return dict(kept)
        record = spent(self.whole_out, self.number) | source_record(self.recipe)
        return record | task_of(self.recipe).settings_record(self.recipe, data)

    def _export(
        self,
        trainer: Trainer,
        module: NetworkModule,
        data: EpochData,
        best: RevertToBest,
        clock: Clock,
        before: dict[str, Any],
    ) -> None:
        summary = before | {
            # Lightning counts the steps of every optimiser
            "steps": before["steps"] + trainer.global_step // len(trainer.optimizers),
            "seconds": before["seconds"] + clock.seconds,
            "best_epoch": best.epoch,
            "precision": self.precision,
        }
        if best.start_scores:
            summary["start_scores"], summary["best_scores"] = best.start_scores, best.best_scores
        model = self.out / self.recipe.name
        task_of(self.recipe).export(self.recipe, module, data, best.path, model, summary)
        if (note := start_note(summary)) and self.progress is None:
            echo(note)
