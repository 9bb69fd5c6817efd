"""The options and the output of commands that take many files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import Cancelled, InputError

from .arguments import at_least_one, path_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.images.facts import SeriesFacts
    from napari_cytosynth.tasks.batch import BatchOutcome, BatchResult, BatchSettings

__all__ = ["add_batch_options", "add_inputs", "check_single", "has_many", "run_many"]

_MOST_LISTED = 1000
_UM = "µm"


def add_inputs(parser: argparse.ArgumentParser, *, what: str = "image", name: str = "INPUT") -> Any:
    """Add the inputs, of which there is at least one.

    Parameters
    ----------
    parser
        The command's.
    what
        What each file holds. Default: "image".
    name
        How the help calls it. Default: "INPUT".
    """
    return parser.add_argument(
        "inputs",
        type=path_of,
        nargs="+",
        metavar=name,
        help=f"{what} as TIFF, PNG, JPEG, OME-Zarr or .npy; several of them, folders, plates and "
        "patterns in quotes (“day*/*.tif”): then all options of many files hold",
    )


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only many files need."""
    group = parser.add_argument_group(
        "many files",
        "Each result is called as its image; batch-*.csv and batch-report.html sum up.",
    )
    group.add_argument("--recursive", action="store_true", help="look in folders of folders, too")
    group.add_argument(
        "--dry-run", action="store_true", help="list what would be done, and write nothing"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip what an earlier run did with the same settings, as its provenance proves",
    )
    group.add_argument(
        "--jobs",
        type=at_least_one,
        metavar="N",
        help="processes side by side, which share the processor (default: 1)",
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of a Dask cluster do the work: the address of its scheduler, such "
        "as tcp://10.0.0.1:8786, or its scheduler file",
    )
    group.add_argument(
        "--plates",
        choices=("zarr", "tiff"),
        help="results of OME-Zarr plates: a new plate (zarr, the default), or TIFFs",
    )
    group.add_argument(
        "--in-place",
        nargs="?",
        const="",
        metavar="NAME",
        help="segment OME-Zarr images and add the labels to them, under this name (default: that "
        "of the model's objects); none are ever replaced, and --out gets tables and records",
    )
    group.add_argument(
        "--name-pattern",
        metavar="REGEX",
        help="regular expression whose named groups become columns of the tables, such as "
        r"“(?P<well>[A-P]\d\d)_f(?P<field>\d+)”; it is looked for in the names with their folders",
    )


def has_many(arguments: argparse.Namespace) -> bool:
    """Return whether the line asks for the form of many files, not that of one image."""
    from napari_cytosynth.images.ome_zarr import is_zarr

    options = (arguments.recursive, arguments.dry_run, arguments.resume)
    given = ("jobs", "scheduler", "plates", "in_place", "name_pattern")
    if any(options) or any(getattr(arguments, name) is not None for name in given):
        return True
    if len(arguments.inputs) > 1:
        return True
    only: Path = arguments.inputs[0]
    try:
        if only.is_file() or is_zarr(only):
            return False
        return only.is_dir() or any(letter in str(only) for letter in "*?[")
    except OSError:
        return False  # the reader says what is wrong with it


def check_single(given: dict[str, bool]) -> None:
    """Raise InputError for an option that means one image, where there are many.

    Parameters
    ----------
    given
        Whether each such option was given, by its name.
    """
    for option, asked in given.items():
        if asked:
            raise InputError(f"{option} is for one image: leave it out, or give a single image.")


def run_many(
    arguments: argparse.Namespace, settings: BatchSettings, *, intensity: Path | None = None
) -> int:
    """Run a task on all inputs; return 1 if any of them failed.

    Parameters
    ----------
    arguments
        Those of the command.
    settings
        Task, model and arguments.
    intensity
        For ``measure``. Default: None.
    """
    try:
        result = _run_batch(arguments, settings, intensity)
    except (Cancelled, KeyboardInterrupt):
        if not arguments.dry_run:
            echo("What is done stays: the same line with --resume goes on from here.", error=True)
        raise
    for message in result.messages:
        echo(message)
    if arguments.dry_run:
        _list_plan(result)
    else:
        _summarise(result)
    return 1 if result.failures else 0


def _run_batch(
    arguments: argparse.Namespace, settings: BatchSettings, intensity: Path | None
) -> BatchResult:
    from napari_cytosynth.tasks.batch import batch

    return batch(
        arguments.inputs,
        arguments.out,
        settings,
        intensity=intensity,
        series=arguments.series,
        recursive=arguments.recursive,
        name_pattern=arguments.name_pattern,
        dry_run=arguments.dry_run,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        jobs=arguments.jobs or 1,
        scheduler=arguments.scheduler,
        plates=arguments.plates or "zarr",
        in_place=False if arguments.in_place is None else arguments.in_place,
        on_outcome=None if arguments.dry_run else _report,
    )


def _report(outcome: BatchOutcome) -> None:
    """Print a line for a file, above the bar that may be there."""
    title = printable(outcome.item.title)
    if outcome.state == "failed":
        _above_bar(f"{title}: failed: {printable(outcome.sentence)}", error=True)
        return
    count = "" if outcome.count is None else f", {outcome.count} objects"
    state = "done earlier" if outcome.state == "skipped" else "done"
    _above_bar(f"{title}: {state}{count}")
    for text in (outcome.sentence, outcome.doubt):
        if text:
            _above_bar(f"  {printable(text)}")


def _above_bar(text: str, *, error: bool = False) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm.external_write_mode(sys.stderr):
            echo(text, error=error)
            if not error and sys.stdout is not None:
                sys.stdout.flush()
        return
    echo(text, error=error)


def _summarise(result: BatchResult) -> None:
    done, skipped = len(result.of_state("done")), len(result.of_state("skipped"))
    failed = result.failures
    doubtful = sum(bool(outcome.doubt) for outcome in result.outcomes)
    parts = [f"{done} done"]
    parts += [f"{skipped} done earlier"] if skipped else []
    parts += [f"{doubtful} doubtful"] if doubtful else []
    parts += [f"{len(failed)} failed"] if failed else []
    echo(f"{len(result.outcomes)} images: {', '.join(parts)}")
    for path in result.files:
        echo(printable(path))
    if failed:
        echo(f"{len(failed)} of {len(result.outcomes)} images failed:", error=True)
        for outcome in failed:
            echo(f"  {printable(outcome.item.title)}: {printable(outcome.sentence)}", error=True)


def _list_plan(result: BatchResult) -> None:
    """Print what would be done with each image."""
    for outcome in result.outcomes[:_MOST_LISTED]:
        item = outcome.item
        if outcome.state == "failed":
            echo(f"{printable(item.title)}: cannot be done: {printable(outcome.sentence)}")
            continue
        place = (result.plan.out / item.folder / item.stem).as_posix()
        place += "" if item.zarr else "-…"
        state = " (done earlier)" if outcome.state == "skipped" else ""
        facts = "" if item.facts is None else described(item.facts)
        echo(f"{printable(item.title)}: {facts} -> {printable(place)}{state}")
        if item.columns:
            echo("  " + ", ".join(f"{n} {printable(v) or '–'}" for n, v in item.columns.items()))
    rest = len(result.outcomes) - _MOST_LISTED
    if rest > 0:
        echo(f"… and {rest:,} more")
    doable = len(result.of_state("planned"))
    echo(f"{doable} of {len(result.outcomes)} images would be done. Nothing was written.")


def described(facts: SeriesFacts) -> str:
    """Return axes, size, channels and pixel size of an image, in one line."""
    sizes = " × ".join(map(str, facts.shape))
    axes = facts.axes or "axes unknown"
    parts = [f"{axes} {sizes}", facts.dtype]
    if facts.channels is not None:
        parts.append("1 channel" if facts.channels == 1 else f"{facts.channels} channels")
    parts.append(_sized(facts.pixel_size_um, facts.z_size_um))
    return ", ".join(parts)


def _sized(size: float | Sequence[float] | None, z_size: float | None) -> str:
    if size is None:
        return "pixel size unknown"
    sides = [size] if isinstance(size, float | int) else list(size)
    text = " × ".join(f"{side:g}" for side in sides) + f" {_UM}"
    return text if z_size is None else f"{text}, planes {z_size:g} {_UM} apart"
