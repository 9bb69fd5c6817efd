"""The command ``cytosynth``; heavy packages are imported only by the commands that use them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.outcome import TRAIN_EXTRA, explain, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_cytosynth.console import CommandParser

__all__ = ["main", "make_parser"]

_ALL_EXTRA = 'The demo needs napari with a Qt binding: pip install "napari-cytosynth[all]"'


def make_parser() -> CommandParser:
    """Return the parser of the commands that have none in another package."""
    # here, so that Ctrl-C finds `main` at work as early as may be
    from napari_cytosynth.console import CommandParser
    from napari_cytosynth.version import __version__

    from . import (
        generate,
        measure,
        models,
        objects,
        phantoms,
        plate_cost,
        run_settings,
        segment,
        show,
        stain,
    )
    from .evaluate import segment as evaluate

    parser = CommandParser(
        prog="cytosynth",
        description="Generate, virtually stain and segment microscopy images with weights that "
        "come along.",
        examples=[
            "cytosynth models list",
            "cytosynth generate --model nuclei-wgan --count 4 --out synthetic",
        ],
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    segment.add_parser(commands)
    stain.add_parser(commands)
    measure.add_parser(commands)
    run_settings.add_parser(commands)
    plate_cost.add_parser(commands)
    generate.add_parser(commands)
    show.add_parser(commands)
    objects.add_parsers(commands)
    models.add_parser(commands)
    evaluate.add_parser(commands)
    phantoms.add_parser(commands)
    # these take over the rest of the line: see main
    commands.add_parser("train", help="train a model from a recipe", add_help=False)
    commands.add_parser("study", help="compare settings of a training", add_help=False)
    commands.add_parser("demo", help="open napari on a simulated image", add_help=False)
    return parser


@contextmanager
def _explain_missing(missing: str) -> Iterator[None]:
    """Raise an error with the message `missing` where an import fails.

    The call belongs inside too: commands import heavy packages only when they use them.
    """
    try:
        yield
    except ImportError as error:
        raise CytosynthError(explain(error, missing)) from error


def _train(argv: list[str]) -> int:
    with _explain_missing(TRAIN_EXTRA):
        from napari_cytosynth.training.cli import main as train

        return train(argv)


def _study(argv: list[str]) -> int:
    with _explain_missing(TRAIN_EXTRA):
        from napari_cytosynth.training.study.cli import main as study

        return study(argv)


def _demo(argv: list[str]) -> int:
    with _explain_missing(_ALL_EXTRA):
        from napari_cytosynth.widgets.demo.demo import main as demo

        return demo(argv)


def _run(argv: list[str]) -> int:
    match argv:
        case ["train", *rest]:
            return _train(rest)
        case ["study", *rest]:
            return _study(rest)
        case ["demo", *rest]:
            return _demo(rest)
    arguments = make_parser().parse_args(argv)
    return int(arguments.run(arguments) or 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``cytosynth``.

    Parameters
    ----------
    argv
        Arguments after the command's name. None (default): those of this process.

    Returns
    -------
    int
        0 after success, 1 if the input is at fault, 3 after an error that nobody foresaw (each
        with a message on stderr), 130 if it was stopped.

    Raises
    ------
    SystemExit
        With 2 if the arguments are wrong, with 0 after ``--help`` and ``--version``.
    """
    return run_command(lambda: _run(list(sys.argv[1:] if argv is None else argv)))
