"""The examples that ``--help`` shows are lines that the commands take."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from napari_cytosynth.cli import main, make_parser
from napari_cytosynth.training import cli as training
from napari_cytosynth.training.datasets import cell_study, prepare
from napari_cytosynth.training.study import cli as study
from napari_cytosynth.training.study.study import list_studies
from napari_cytosynth.training.tasks import load_recipe
from napari_cytosynth.widgets.demo import demo
from napari_cytosynth.zoo.catalogue import find_entry

# those that take over the rest of the line stand in front
PARSERS = {
    "cytosynth train": training.make_parser(),
    "cytosynth study": study.make_parser(),
    "cytosynth demo": demo.make_parser(),
    "python -m napari_cytosynth.training.prepare": prepare.make_parser(),
    "python -m napari_cytosynth.training.cell_study": cell_study.make_parser(),
    "cytosynth": make_parser(),
}
HANDED_ON = {"cytosynth train", "cytosynth study", "cytosynth demo"}


def _parsers(parser):
    """Yield a parser and those of its sub-commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                if f"{parser.prog} {name}" not in HANDED_ON:
                    yield from _parsers(below)


COMMANDS = [command for parser in PARSERS.values() for command in _parsers(parser)]
EXAMPLES = sorted({line for command in COMMANDS for line in command.examples})


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) >= 20


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_every_help_shows_an_example_of_its_command(command) -> None:
    assert any(command.prog in line for line in command.examples)
    assert all(line in command.format_help() for line in command.examples)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_understood(line) -> None:
    line = line.removeprefix("xvfb-run -a ")
    prog = next(prog for prog in PARSERS if line.startswith(prog))
    arguments = PARSERS[prog].parse_args(shlex.split(line)[len(prog.split()) :])
    if prog == "cytosynth train" and arguments.recipe is None:
        assert find_entry(arguments.start)  # its card is the recipe
    elif prog == "cytosynth train":
        load_recipe(arguments.recipe, arguments.set)
    if getattr(arguments, "study", None):
        assert arguments.study in list_studies()


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_models_of_the_examples_come_along(line) -> None:
    for name in re.findall(r"[\w-]+-(?:unet|vae|wgan|ddpm|pix2pixhd)(?![\w/-])", line):
        if "runs/" not in line:
            assert find_entry(name) is not None, name


def test_what_the_other_examples_begin_with_works(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main("phantoms --out simulated --count 2 --size 96".split()) == 0
    data = [
        word for line in EXAMPLES for word in line.split() if re.match(r"simulated/.*\.tif", word)
    ]
    assert data
    assert all((tmp_path / path).is_file() for path in data)
    for part, count, seed in (("train", 2, 1), ("val", 1, 2)):
        line = f"phantoms --out phantoms/{part} --count {count} --seed {seed} --size 256"
        assert main(line.split()) == 0
    check = "cytosynth train phantom-phase-unet --data-dir phantoms --check"
    assert check in EXAMPLES
    assert main(check.split()[1:]) == 0, capsys.readouterr().out
