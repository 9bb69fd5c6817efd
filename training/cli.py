"""Command line of training: ``cytosynth train``, ``python -m napari_cytosynth.training``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.console import CommandParser, echo
from napari_cytosynth.errors import Cancelled, CytosynthError, RecipeError
from napari_cytosynth.outcome import STOPPED, TRAIN_EXTRA, WRONG_INPUT, run_command
from napari_cytosynth.training.cluster.arguments import add_arguments, from_arguments
from napari_cytosynth.training.cluster.job import EXIT_NOT_RETRYABLE
from napari_cytosynth.training.cluster.kubernetes import write_kubernetes
from napari_cytosynth.training.cluster.slurm import write_slurm
from napari_cytosynth.training.recipe.files import list_recipes

from .tasks import load_recipe

if TYPE_CHECKING:
    import argparse

    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["main", "make_parser"]


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="cytosynth train",
        description="Train a model from a recipe and a folder of data.",
        examples=[
            "cytosynth train --from em-mitochondria-unet --data-dir MY-IMAGES --out runs/mine",
            "cytosynth phantoms --out phantoms/train --count 12 --seed 1",
            "cytosynth phantoms --out phantoms/val --count 2 --seed 2",
            "cytosynth train phantom-phase-unet --data-dir phantoms --check",
            "cytosynth train phantom-phase-unet --data-dir phantoms --out runs/try "
            "--set train.max_epochs=2 data.crops_per_epoch=64",
        ],
    )
    parser.add_argument(
        "recipe",
        metavar="NAME-OR-RECIPE",
        nargs="?",
        help=f"a shipped recipe ({', '.join(list_recipes())}) or a YAML file; with --from it may "
        "be left out",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="start from the weights of a model (short for --set network.start_from=MODEL); "
        "without a recipe, fine-tune it as its card says on the folders image, labels or mask and, "
        "where only a part of it is known, annotated",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of images and truth")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/NAME)")
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--check",
        action="store_true",
        help="only look at the folder and say what is in it and what is wrong; nothing is trained",
    )
    only.add_argument(
        "--dry-run",
        action="store_true",
        help="only see whether settings, folders and file names allow to begin, or to go on; "
        f"status {EXIT_NOT_RETRYABLE} if they do not",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--auto-resume", action="store_true", help="go on if there is a checkpoint, else start"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change settings of the recipe, for example train.max_epochs=5",
    )
    add_arguments(parser)
    return parser


def _recipe(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe of the arguments: read, or made from the card of the model to start from.

    Raises
    ------
    RecipeError
        If neither is named, or a setting is unknown or impossible.
    """
    start = arguments.start
    if arguments.recipe is not None:
        own = [f"network.start_from={start}"] if start else []
        return load_recipe(arguments.recipe, [*own, *arguments.set])
    if not start:
        raise RecipeError("Name a recipe, or with --from a model to fine-tune.")
    from napari_cytosynth.training.teach.recipe import folder_plan, tuning_recipe
    from napari_cytosynth.zoo.loading import load_model

    card = load_model(start, "cpu").card
    return tuning_recipe(card, folder_plan(card, start, arguments.data_dir), arguments.set)


def _train(arguments: argparse.Namespace) -> str:
    recipe = _recipe(arguments)
    job = from_arguments(arguments, recipe.name)
    if job is not None:
        if arguments.dry_run:
            raise RecipeError("--dry-run is for trainings on this machine.")
        from napari_cytosynth.training.run.recipe_check import check_recipe

        check_recipe(recipe)
        if arguments.kubernetes:
            _check_start(recipe.network.start_from)
        files = (
            write_kubernetes(job, arguments.kubernetes)
            if arguments.kubernetes
            else write_slurm(job, arguments.slurm, arguments.out)
        )
        return f"Written: {', '.join(map(str, files))}"
    from napari_cytosynth.training.loop.processes import is_first, lost_another
    from napari_cytosynth.training.run.fit import check_start, train
    from napari_cytosynth.training.run.rounds import is_done

    resume: bool | Literal["auto"] = "auto" if arguments.auto_resume else arguments.resume
    out = arguments.out or Path("runs") / recipe.name
    if arguments.dry_run:
        check_start(recipe, arguments.data_dir, out, resume=resume)
        return "Settings, folders and file names are in order; the images were not read."
    if recipe.rounds and is_first():
        echo(
            f"In {len(recipe.rounds) + 1} rounds, each from the weights of the one before; "
            "--set 'rounds=[]' leaves only the last."
        )
    finished = is_done(recipe, out)
    try:
        folder = train(recipe, arguments.data_dir, out, resume=resume)
    except KeyboardInterrupt as error:
        raise Cancelled(_kept(out)) from error
    except RuntimeError as error:
        if not lost_another(error):
            raise
        raise CytosynthError(
            "Another process of this training has ended; what it wrote says why. torchrun starts "
            "all of them again, from the last epoch, as often as --max-restarts allows."
        ) from error
    message = "It was finished before:" if finished else "Model written to"
    return f"{message} {folder}" if is_first() else ""


def _kept(out: Path) -> str:
    from napari_cytosynth.training.reports.run_folder import LAST

    if any(out.rglob(LAST)):
        return "Stopped. Go on from the last whole epoch with the same command and --resume."
    return "Stopped before the first epoch had ended; nothing is kept."


def _check_start(source: str | None) -> None:
    if source and Path(source).exists():
        raise RecipeError(
            f"network.start_from names “{source}” on this machine, which the pods do not see. "
            "Publish that model and name it by its place on the Hub."
        )


def _check(recipe: Recipe, data_dir: Path) -> int:
    from napari_cytosynth.training.check.check import check_data
    from napari_cytosynth.training.run.recipe_check import check_recipe

    check_recipe(recipe)
    report = check_data(recipe, data_dir)
    echo(report.text().removesuffix("\n"))
    return 1 if report.errors else 0


def _run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.check:
            return _check(_recipe(arguments), arguments.data_dir)
        message = _train(arguments)
    except Cancelled as stopped:
        echo(f"\n{stopped}", error=True)
        return STOPPED
    except RecipeError as error:
        echo(error, error=True)
        return EXIT_NOT_RETRYABLE if arguments.dry_run else WRONG_INPUT
    if message:
        echo(message)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""

    def run() -> int:
        arguments = make_parser().parse_args(argv)
        # of a training on a cluster, only its run folder stays
        traces = arguments.out or Path("runs")
        return run_command(lambda: _run(arguments), prefix="", missing=TRAIN_EXTRA, traces=traces)

    return run_command(run, prefix="")
