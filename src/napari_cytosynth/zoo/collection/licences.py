"""A licence in words: what a user may do with a model."""

from __future__ import annotations

import re

__all__ = ["licence_in_words"]

_WORDS = (
    (r"cc0|pddl|unlicense(?![a-z])|public.domain|free.of.rights", "free for any use"),
    (r"cc-by-nc-nd", "not for commercial use; unchanged, and if you name the authors"),
    (r"cc-by-nc-sa", "not for commercial use; name the authors, share changes under these terms"),
    (r"cc-by-nc", "not for commercial use; name the authors"),
    (r"cc-by-nd", "free for any use unchanged, if you name the authors"),
    (r"cc-by-sa", "free for any use, if you name the authors and share changes under these terms"),
    (r"cc-by", "free for any use, if you name the authors"),
    (r"a?l?gpl", "free for any use; what you pass on has to be open, too"),
    (r"(mit|bsd|apache)(?![a-z])", "free for any use, if you keep the licence's text"),
)
_RESEARCH = re.compile(
    r"research|academic|non[-_\s]?commercial|(not for|no) commercial|personal use"
    r"|(?<![a-z])nc(?![a-z])",
    re.IGNORECASE,
)
_RESEARCH_ONLY = "research only"


def licence_in_words(licence: str, data_licence: str = "") -> str:
    """Return what a licence of weights allows, as the beginning of a sentence.

    Parameters
    ----------
    licence
        As on the card: an identifier of the Hub ("cc-by-4.0"), "other", or empty.
    data_licence
        Terms of the training data. Stricter ones are said, too. Default: none known.

    Returns
    -------
    str
        For example “free for any use”, “research only”. In doubt the stricter one.
    """
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    words = next((text for start, text in _WORDS if re.match(start, name)), "")
    if words.startswith("not for"):
        return words
    if _RESEARCH.search(licence):  # however it begins: “MIT, for research only”
        return _RESEARCH_ONLY
    if _RESEARCH.search(data_licence):
        if name in ("", "other"):
            return _RESEARCH_ONLY
        return f"{words or 'terms of its own'}; its training data: {_RESEARCH_ONLY}"
    if words:
        return words
    return "terms of its own: see its card" if name else "unknown: ask its author"
