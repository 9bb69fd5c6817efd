"""How a command ends: a status, and a sentence instead of a traceback, whatever happens."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from .console import accept_any_text, echo, flush_output, printable
from .errors import Cancelled, CytosynthError
from .version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["BUG", "ISSUES", "STOPPED", "TRAIN_EXTRA", "WRONG_INPUT", "explain", "run_command"]

# argparse ends with 2 after a line that it does not understand
WRONG_INPUT, BUG, STOPPED = 1, 3, 130  # 130 is what shells report of Ctrl-C
ISSUES = "https://github.com/napari-cytosynth/napari-cytosynth/issues"
TRAIN_EXTRA = 'Training needs more packages: pip install "napari-cytosynth[train]"'
_LONGEST_NAME = 80


def run_command(
    work: Callable[[], int | None],
    *,
    prefix: str = "cytosynth: ",
    missing: str | None = None,
    traces: Path | None = None,
) -> int:
    """Run a command and return its exit status; nothing that goes wrong shows a traceback.

    Parameters
    ----------
    work
        The command; it returns a status, or None for 0.
    prefix
        What stands before a message. Default: the command's name.
    missing
        Sentence for a package that is not installed, without its full stop. Default: one that
        names the package.
    traces
        Folder for the record of an unforeseen error, if it exists. Default: that of the
        system's temporary files.

    Returns
    -------
    int
        The status of `work`; 1 if the input is at fault, 3 after an error that nobody foresaw,
        130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With 2 if the arguments are wrong, with 0 after ``--help`` and ``--version``.
    """
    accept_any_text()
    try:
        status = _run(work, prefix, missing, traces)
    finally:
        lost = flush_output()
    if lost is not None and status == 0:
        echo(f"{prefix}The output cannot be written: {_reason(lost)}.", error=True)
        return WRONG_INPUT
    return status


def _run(
    work: Callable[[], int | None], prefix: str, missing: str | None, traces: Path | None
) -> int:
    try:
        return int(work() or 0)
    except (Cancelled, KeyboardInterrupt):
        echo(f"{prefix}stopped.", error=True)
        return STOPPED
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        return WRONG_INPUT
    except Exception as error:
        sentence = explain(error, missing)
        if sentence is not None:
            echo(f"{prefix}{sentence}", error=True)
            return WRONG_INPUT
        echo(f"{prefix}{_report(error, traces)}", error=True)
        return BUG


def explain(error: BaseException, missing: str | None = None) -> str | None:
    """Return a sentence about an error that the input or the machine causes.

    Parameters
    ----------
    error
        What was raised.
    missing
        Sentence for a package that is not installed, without its full stop. Default: one that
        names the package.

    Returns
    -------
    str or None
        None for an error that only a mistake in this package explains.
    """
    if isinstance(error, CytosynthError):
        return str(error)
    if _lacks_memory(error):
        return (
            "There is not enough memory for this. Use a smaller image, fewer images or samples "
            "at once, or close other programs."
        )
    if isinstance(error, ImportError):
        return _missing_package(error, missing)
    if isinstance(error, OSError):
        return _system_error(error)
    if isinstance(error, UnicodeDecodeError):
        wrong = error.object[error.start]
        return (
            f"A file that should be text in UTF-8 is not: byte 0x{wrong:02x} at position "
            f"{error.start}. Save it as UTF-8, or see whether it is the right file."
        )
    if isinstance(error, UnicodeError):
        return f"A name or a text has characters that cannot be used here: {error}."
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # of pathlib
        return "A path begins with “~” and a name, but no user of this machine is called so."
    if isinstance(error, RecursionError):
        return "What is to be read is nested too deeply. See whether it is the right file."
    return None


def _lacks_memory(error: BaseException) -> bool:
    # torch's are RuntimeErrors, and torch may not be imported here
    words = ("can't allocate memory", "out of memory", "not enough memory")
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _missing_package(error: ImportError, missing: str | None) -> str | None:
    reason = " ".join(str(error).split()).rstrip(".")
    if missing is not None:
        return f"{missing} ({reason})."
    package = (error.name or "").partition(".")[0]
    if not package or package == __name__.partition(".")[0]:
        return None
    return (
        f"The package “{package}” is missing or damaged ({reason}). Install what this command "
        'needs with: pip install "napari-cytosynth[train]"'
    )


_BY_NUMBER = {
    errno.ENAMETOOLONG: "The name {} is too long. Choose a shorter one.",
    errno.ENOSPC: "There is no space left for {}. Free some, or choose another disk.",
    errno.EDQUOT: "Your quota is used up: there is no space for {}. Free some.",
    errno.EROFS: "{} lies on a disk that cannot be written. Choose another folder.",
    errno.ELOOP: "{} is a link that leads back to itself.",
    errno.EMFILE: "Too many files are open at once. Close other programs, or raise “ulimit -n”.",
}
_BY_TYPE: dict[type[OSError], str] = {
    FileNotFoundError: "There is no file or folder {}.",
    PermissionError: "You may not open {}: its permissions, or those of its folder, forbid it.",
    IsADirectoryError: "{} is a folder; name a file.",
    NotADirectoryError: "{} is not a folder, or a part of its path is a file.",
    FileExistsError: "{} is there already. Choose another name.",
}


def _system_error(error: OSError) -> str:
    named = error.filename
    name = f"“{_shortened(os.fsdecode(named))}”" if isinstance(named, str | bytes) else "a file"
    sentence = _BY_NUMBER.get(error.errno or 0)
    for kind, text in _BY_TYPE.items():
        if sentence is None and isinstance(error, kind):
            sentence = text
    if sentence is not None:
        said = sentence.format(name)
        return said[0].upper() + said[1:]
    if isinstance(named, str | bytes):
        return f"{name} cannot be used: {_reason(error)}."
    return f"The system refused: {_reason(error)}."


def _reason(error: OSError) -> str:
    return " ".join(str(error.strerror or error or type(error).__name__).split()).rstrip(".")


def _shortened(name: str) -> str:
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]} … {name[-half:]}"


def _report(error: Exception, traces: Path | None) -> str:
    """Record an unforeseen error; return what to do about it."""
    import traceback

    what = printable(traceback.format_exception_only(error)[-1].strip())
    path = _write_trace(error, traces)
    record = f"the record of it, {path}" if path is not None else "what you typed"
    return (
        f"Something went wrong that should not have: {_shortened(what)}\n"
        "This is a mistake in napari-cytosynth. Please report it, so that it gets mended: open\n"
        f"{ISSUES} and attach {record}."
        + ("\nRead the record first: it names your files." if path is not None else "")
    )


def _write_trace(error: Exception, folder: Path | None) -> str | None:
    import platform
    import shlex
    import tempfile
    import traceback

    lines = [
        f"napari-cytosynth {__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}",
        shlex.join(sys.argv),
        "",
        "".join(traceback.format_exception(error)),
    ]
    places = [folder] if folder is not None and folder.is_dir() else []
    for place in (*places, None):
        try:
            number, name = tempfile.mkstemp(".txt", "cytosynth-error-", place, text=True)
            with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write("\n".join(lines))
            return name
        except OSError:
            continue
    return None
