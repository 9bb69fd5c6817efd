"""The command ``cytosynth study``: answer a question by many trainings."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.progress import resolve_progress

from .study import list_studies, load_study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cytosynth study",
        description="Train with different settings and several seeds, score every run, and "
        "write one page with the answer. Repeat the command to go on after an interruption; "
        "give it to several processes at once to share the work.",
    )
    parser.add_argument(
        "study",
        nargs="?",
        metavar="NAME-OR-YAML",
        help=f"a shipped study ({', '.join(list_studies())}) or a YAML file",
    )
    parser.add_argument("--list", action="store_true", help="only say which studies are shipped")
    parser.add_argument("--data-dir", type=Path, help="folder of the data of the recipe")
    parser.add_argument("--out", type=Path, help="folder of the study (default: studies/NAME)")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change settings of the study (seeds=[0,1], count=1000, "
        "vary.objective.schedule=[linear,cosine]) or of the recipe of every run "
        "(train.max_epochs=30)",
    )
    return parser


def _list() -> None:
    for name in list_studies():
        sys.stdout.write(f"{name}\n    {load_study(name).question}\n")


def _progress() -> Progress:
    """Return a bar; where there is no terminal, a line for each run."""
    if sys.stderr is not None and sys.stderr.isatty():
        return resolve_progress(None)

    def print_line(done: int, total: int, message: str, /) -> None:
        sys.stdout.write(f"{done}/{total} {message}\n")
        sys.stdout.flush()

    return print_line


def _command(arguments: argparse.Namespace) -> str:
    """Return the command as typed, without the folders of this machine."""
    name = Path(arguments.study).name
    words = ["cytosynth", "study", name, "--data-dir", arguments.data_dir.resolve().name]
    if arguments.out:
        words += ["--out", arguments.out.resolve().name]
    if arguments.set:
        words += ["--set", *arguments.set]
    return shlex.join(words)


def _run(arguments: argparse.Namespace) -> int:
    study = load_study(arguments.study, arguments.set)
    from .run import run_study

    out = arguments.out or Path("studies") / study.name
    try:
        page = run_study(
            study, arguments.data_dir, out, progress=_progress(), command=_command(arguments)
        )
    except (KeyboardInterrupt, Cancelled):
        sys.stderr.write(f"Stopped. Repeat the command to go on; so far: {out / 'study.html'}\n")
        return 130
    sys.stdout.write(f"Page written to {page}\n")
    if _all_failed(out / "results.csv"):
        sys.stderr.write("No run finished: the page says why.\n")
        return 1
    return 0


def _all_failed(results: Path) -> bool:
    """Return whether runs were tried and none has a result."""
    if not results.is_file():
        return False
    import pandas as pd

    return not (pd.read_csv(results)["status"] == "finished").any()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not arguments.list and (arguments.study is None or arguments.data_dir is None):
        parser.error("name a study and its --data-dir, or ask for --list")
    try:
        if arguments.list:
            _list()
            return 0
        return _run(arguments)
    except CytosynthError as error:
        sys.stderr.write(f"{error}\n")
        return 1
