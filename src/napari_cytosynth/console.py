"""The console: text of any origin, in any encoding, to readers that may have gone."""

from __future__ import annotations

import argparse
import codecs
import io
import json
import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CommandParser", "accept_any_text", "echo", "flush_output", "printable"]

_HANDLER = "cytosynth-transliterate"
_LIKE = {
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("–—−‐‑", "-"),
    **{"×": "x", "µ": "u", "·": "*", "•": "*", "→": "->", "←": "<-", "≤": "<=", "≥": ">="},
    **{"±": "+-", "≈": "~", "÷": "/", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "œ": "oe"},
}
# Controls, marks that change the direction of writing or are not seen, halves of characters and
# separators of lines: what steers a terminal, or shows another text than is there.
_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_HARMLESS = "\u00ad\u200c\u200d"  # soft hyphen and joiners, which words and emoji need


def printable(text: object, keep: str = "") -> str:
    r"""Return a text with its control characters written out, such as ``\x1b`` for Escape.

    Parameters
    ----------
    text
        Text of any origin: names of files, titles of models, messages of libraries.
    keep
        Control characters that stay as they are. Default: none.

    Returns
    -------
    str
        Text that a terminal shows and does not obey.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c in keep else _escaped(c) for c in text)


def shown_name(name: object, keep: str = "") -> str:
    """Return a name of any origin for a sentence; what cannot be shown is replaced.

    Parameters
    ----------
    name
        Of a file, a layer or the like.
    keep
        Characters that stay as they are. Default: none.
    """
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in str(name))


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE or character in _HARMLESS:
        return character
    code = ord(character)
    if code < 0x20:
        return f"\\x{code:02x}"
    # as JSON writes them, so that a printed card stays JSON
    return f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(character)[1:-1]


def echo(text: object = "", *, error: bool = False) -> None:
    """Print a text of one or more lines to the standard output.

    Nothing is printed where there is no output, or where its reader has gone (``… | head -1``),
    and what a full disk refuses is told of by :func:`flush_output`: the work goes on.

    Parameters
    ----------
    text
        What is printed; control characters other than line break and tab are written out.
    error
        Whether it goes to the standard error. Default: False.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None:  # a program without a console
        return
    try:
        stream.write(printable(text, keep="\n\t") + "\n")
    except OSError as error:
        _lose(stream, error)


def _lose(stream: TextIO, error: OSError) -> None:
    """Give a stream up; remember why, unless its reader has gone."""
    _discard(stream)
    if not isinstance(error, BrokenPipeError):
        _LOST.append(error)


def _discard(stream: TextIO) -> None:
    """Send what follows, and what waits in the buffer, to nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream that is not a file
        pass


def flush_output() -> OSError | None:
    """Write out what waits in the buffers of the standard streams.

    Returns
    -------
    OSError or None
        Why the output could not be written. None if it was, or if its reader has gone.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:  # discarded, or the interpreter fails on it at its end
            _lose(stream, error)
        except ValueError:  # it is closed
            pass
    failure = _LOST[0] if _LOST else None
    _LOST.clear()
    return failure


def accept_any_text() -> None:
    """Let the standard streams replace the characters that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != _HANDLER:
            stream.reconfigure(errors=_HANDLER)


def _transliterate(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that cannot be encoded, as codecs want it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_likeness, error.object[error.start : error.end])), error.end


def _likeness(character: str) -> str:
    if character in _LIKE:
        return _LIKE[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK"):
        return name.partition(" LETTER ")[2].partition(" ")[0].lower() or "?"
    if unicodedata.category(character) in _UNSAFE:
        return _escaped(character)
    parts = unicodedata.normalize("NFKD", character)
    return "".join(part for part in parts if part.isascii()) or "?"


_LOST: list[OSError] = []  # why output could not be written since the last flush
codecs.register_error(_HANDLER, _transliterate)


class _HelpFormatter(argparse.HelpFormatter):
    """Formatter that leaves the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("example"):
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """Parser of a command line whose help ends with examples.

    Parameters
    ----------
    examples
        Lines that can be typed as they are, in this order.
    **options
        As for :class:`argparse.ArgumentParser`.
    """

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        self.examples = tuple(examples)
        if examples:
            head = "example:" if len(examples) == 1 else "examples:"
            options["epilog"] = "\n  ".join([head, *examples])
        super().__init__(formatter_class=_HelpFormatter, **options)

    def error(self, message: str) -> Any:
        """Print the usage and what is wrong, and exit with status 2."""
        super().error(printable(message, keep="\n"))
