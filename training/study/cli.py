"""The command ``cytosynth study``: answer a question by many trainings."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.console import CommandParser, echo, flush_output
from napari_cytosynth.errors import Cancelled
from napari_cytosynth.outcome import STOPPED, TRAIN_EXTRA, WRONG_INPUT, run_command
from napari_cytosynth.progress import resolve_progress

from .study import list_studies, load_study

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress

__all__ = ["main", "make_parser"]


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="cytosynth study",
        description="Train with different settings and several seeds, score every run, and "
        "write one page with the answer. Repeat the command to go on after an interruption; "
        "give it to several processes at once to share the work.",
        examples=[
            "cytosynth study --list",
            "cytosynth study vae-latent-width --data-dir DATA/nuclei-dsb2018 --out studies/try "
            "--set seeds=[0] train.max_epochs=2",
        ],
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
        echo(f"{name}\n    {load_study(name).question}")


def _progress() -> Progress:
    """Return a bar; where there is no terminal, a line for each run."""
    if sys.stderr is not None and sys.stderr.isatty():
        return resolve_progress(None)

    def print_line(done: int, total: int, message: str, /) -> None:
        echo(f"{done}/{total} {message}")
        flush_output()

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
        echo(f"Stopped. Repeat the command to go on; so far: {out / 'study.html'}", error=True)
        return STOPPED
    echo(f"Page written to {page}")
    if _all_failed(out / "results.csv"):
        echo("No run finished: the page says why.", error=True)
        return WRONG_INPUT
    return 0


def _all_failed(results: Path) -> bool:
    """Return whether runs were tried and none has a result."""
    if not results.is_file():
        return False
    import pandas as pd

    return not (pd.read_csv(results)["status"] == "finished").any()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""

    def run() -> int:
        parser = make_parser()
        arguments = parser.parse_args(argv)
        if arguments.list:
            _list()
            return 0
        if arguments.study is None or arguments.data_dir is None:
            parser.error("name a study and its --data-dir, or ask for --list")
        return run_command(
            lambda: _run(arguments), prefix="", missing=TRAIN_EXTRA, traces=arguments.out
        )

    return run_command(run, prefix="")
