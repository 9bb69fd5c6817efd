"""How a command ends: a status and a sentence, and never a traceback."""

from __future__ import annotations

import errno
import tomllib
from pathlib import Path

import pytest

from napari_cytosynth import outcome
from napari_cytosynth.errors import Cancelled, InputError, OutOfMemoryError
from napari_cytosynth.outcome import run_command


def _decode() -> None:
    b"id\xff".decode("utf-8")


def _open(tmp_path: Path) -> None:
    (tmp_path / "nothing.txt").read_text()


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("The image is empty."), "The image is empty."),
        (OutOfMemoryError("Choose a smaller tile."), "Choose a smaller tile."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (RecursionError("maximum recursion depth"), "nested too deeply"),
        (FileNotFoundError(errno.ENOENT, "", "data"), "There is no file or folder “data”."),
        (PermissionError(errno.EACCES, "", "data"), "You may not open “data”"),
        (NotADirectoryError(errno.ENOTDIR, "", "a.tif"), "“a.tif” is not a folder"),
        (IsADirectoryError(errno.EISDIR, "", "data"), "“data” is a folder; name a file."),
        (FileExistsError(errno.EEXIST, "", b"data"), "“data” is there already"),
        (OSError(errno.ENAMETOOLONG, "", "a" * 300), "is too long"),
        (OSError(errno.ENOSPC, "", "x.tif"), "There is no space left for “x.tif”"),
        (
            OSError(errno.EDQUOT, "", "x.tif"),
            "Your quota is used up: there is no space",
        ),
        (OSError(errno.EMFILE, ""), "Too many files are open"),
        (OSError(errno.EIO, "Input/output error", "x.tif"), "cannot be used: Input/output error."),
        (OSError("cannot identify image"), "The system refused: cannot identify image."),
        (ModuleNotFoundError("No module named 'h5py'", name="h5py.x"), "package “h5py” is missing"),
        (RuntimeError("Could not determine home directory."), "begins with “~”"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_faults_of_the_input_are_one_sentence(error, said, capsys) -> None:
    assert run_command(lambda: _raise(error)) == outcome.WRONG_INPUT == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("cytosynth: ")
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    assert max(map(len, captured.err.splitlines())) < 250


def test_text_that_is_not_utf8_is_said_to_be_so(capsys) -> None:
    assert run_command(_decode) == 1
    assert "not: byte 0xff at position 2" in capsys.readouterr().err


def test_control_characters_of_a_message_are_written_out(capsys) -> None:
    assert run_command(lambda: _raise(InputError("“\x1b[2J” is no model."))) == 1
    assert capsys.readouterr().err == "cytosynth: “\\x1b[2J” is no model.\n"


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt()])
def test_stopping_is_no_failure(error, capsys) -> None:
    assert run_command(lambda: _raise(error)) == outcome.STOPPED == 130
    assert capsys.readouterr().err == "cytosynth: stopped.\n"


def test_the_status_of_the_command_is_kept(capsys) -> None:
    assert [run_command(lambda status=status: status) for status in (None, 0, 42)] == [0, 0, 42]
    assert capsys.readouterr() == ("", "")


def test_a_bug_leaves_a_record_and_says_where_to_report_it(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["cytosynth", "segment", "my cells.tif"])
    assert run_command(lambda: _raise(KeyError("axes")), traces=tmp_path) == outcome.BUG == 3
    said = capsys.readouterr().err
    assert "KeyError: 'axes'" in said
    assert outcome.ISSUES in said
    assert "Traceback" not in said
    (record,) = tmp_path.iterdir()
    assert str(record) in said
    text = record.read_text("utf-8")
    assert "Traceback" in text
    assert "cytosynth segment 'my cells.tif'" in text
    assert text.startswith("napari-cytosynth ")


def test_a_bug_where_nothing_can_be_written_is_still_a_sentence(monkeypatch, capsys) -> None:
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert run_command(lambda: _raise(KeyError("axes"))) == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "attach what you typed" in said


def test_the_record_falls_back_to_the_folder_of_temporary_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_command(lambda: _raise(KeyError("axes")), traces=tmp_path / "not there") == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_reports_go_where_the_project_takes_them() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["urls"]["Bug Tracker"] == outcome.ISSUES
