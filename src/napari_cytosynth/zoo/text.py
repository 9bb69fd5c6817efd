"""Text from a card, a weights file or a server: data, made safe for the place that shows it."""

from __future__ import annotations

import re
import unicodedata
from html import escape

__all__ = [
    "for_code",
    "for_html",
    "for_markdown",
    "for_table_cell",
    "has_control_characters",
    "one_line",
]

_LONGEST = 2000
_LAYOUT = "\n\t"
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of characters, line ends
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder a line
_ENTITY = re.compile(r"&(?=#?\w+;)")


def has_control_characters(text: str) -> bool:
    """Return whether a text holds characters that steer a terminal or reorder a line.

    Line feeds and tabs are none: they lay out a longer text.
    """
    if text.isprintable():  # nearly every text: read at once
        return False
    return any(_steers(character) for character in text if character not in _LAYOUT)


def one_line(text: object, longest: int = _LONGEST) -> str:
    """Return a text as one line of printable characters, for terminals and messages.

    Parameters
    ----------
    text
        Anything; it is turned into a string.
    longest
        Number of characters that are kept. Default: 2000.
    """
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(c if c.isprintable() else _visible(c) for c in line)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def for_html(text: object) -> str:
    """Return a text for HTML and Qt's tooltips: no tags, no links, no images."""
    return escape(one_line(text))


def for_markdown(text: object) -> str:
    """Return a text for Markdown: no HTML, no links or images, no code, one line."""
    line = _ENTITY.sub("&amp;", one_line(text)).replace("<", "&lt;")
    line = re.sub(r"([\\`\[\]])", r"\\\1", line)
    return re.sub(r"^(?=[#>=~-])", r"\\", line)  # no heading, quotation or rule either


def for_table_cell(text: object) -> str:
    """Return a text for a cell of a Markdown table."""
    return for_markdown(text).replace("|", "\\|")


def for_code(text: object) -> str:
    """Return a text for a line of code in Markdown: it cannot end the code."""
    return one_line(text).replace("`", "'")


def _steers(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return character in _DIRECTIONS or unicodedata.category(character) in _CONTROLS


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
