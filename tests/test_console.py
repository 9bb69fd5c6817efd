"""What a console shows: text of any origin, in any encoding."""

from __future__ import annotations

import errno
import io
import json
import re
import sys
from pathlib import Path

import pytest

import napari_cytosynth
from napari_cytosynth import training
from napari_cytosynth.console import CommandParser, accept_any_text, echo, flush_output, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zellkerne, 4 µm × 2 – “β”", "Zellkerne, 4 µm × 2 – “β”"),
        ("x\x1b]0;owned\x07\x1b[2J", r"x\x1b]0;owned\x07\x1b[2J"),
        ("a\nb\rc\td", r"a\x0ab\x0dc\x09d"),
        ("\x7f\x9b2J", r"\u007f\u009b2J"),  # DEL, and the Escape [ of eight bits
        ("gnp\u202e.fit", r"gnp\u202e.fit"),  # right to left: another name than it looks
        ("one\u2028two\ufeff", r"one\u2028two\ufeff"),
        ("caf\udce9.tif", r"caf\udce9.tif"),  # a file name that is not UTF-8
        ("\U000e0041", r"\udb40\udc41"),  # a tag that no one sees
        ("می\u200cروم 👩\u200d🔬 細胞", "می\u200cروم 👩\u200d🔬 細胞"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text, shown) -> None:
    assert printable(text) == shown
    assert printable(printable(text)) == shown


def test_a_card_of_any_text_stays_json() -> None:
    text = "\x1b[2J \x7f \x9b \u202e \U000e0041 β"
    assert json.loads(printable(json.dumps({"title": text}, ensure_ascii=False))) == {"title": text}


def test_lines_stay_lines(capsys) -> None:
    echo("a\tb\n\x1b[2Jc")
    echo("sorry", error=True)
    assert capsys.readouterr() == ("a\tb\n\\x1b[2Jc\n", "sorry\n")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", b'"4 um x 2" - beta, cafe, ?, ...\\udce9'),
        ("cp1252", "“4 µm × 2” – beta, café, ?, …\\udce9".encode("cp1252")),
        ("cp932", "“4 um × 2” - β, cafe, 細, …\\udce9".encode("cp932")),
        ("utf-8", "“4 µm × 2” – β, café, 細, …\\udce9".encode()),
    ],
)
def test_every_encoding_shows_something_alike(encoding, shown, monkeypatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    accept_any_text()
    sys.stdout.write("“4 µm × 2” – β, café, 細, …\udce9")
    sys.stdout.flush()
    assert written.getvalue() == shown


def test_no_console_at_all_is_no_error(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    accept_any_text()
    echo("heard by no one")
    echo("heard by no one", error=True)
    assert flush_output() is None


class _Failing(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


def test_work_goes_on_when_the_reader_has_gone(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Failing(BrokenPipeError()))
    echo("a line")
    assert flush_output() is None


def test_a_full_disk_is_told_of(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Failing(OSError(errno.ENOSPC, "No space left")))
    echo("a line")
    assert flush_output().errno == errno.ENOSPC
    monkeypatch.undo()
    assert flush_output() is None


def test_examples_keep_their_lines(capsys) -> None:
    parser = CommandParser(prog="p", description="word " * 40, examples=["p " + "x" * 90, "p --y"])
    shown = parser.format_help()
    assert f"examples:\n  p {'x' * 90}\n  p --y" in shown
    assert max(map(len, shown.partition("options")[0].splitlines())) < 90
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err


def test_all_that_is_printed_goes_through_one_function() -> None:
    """Ruff forbids `print`; the worker of `convert` speaks to its parent, not to a console."""
    folders = [Path(napari_cytosynth.__file__).parent, Path(training.__file__).parent]
    files = {file for folder in folders for file in folder.rglob("*.py")}
    assert len(files) >= 220
    writers = {
        file.name for file in files if re.search(r"std(out|err)\.write\(", file.read_text("utf-8"))
    }
    assert writers <= {"worker.py"}
