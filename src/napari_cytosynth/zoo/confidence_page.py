"""The part of a model's page on which objects are right: its confidence, and a stainer's doubt."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .text import for_code, for_markdown, for_table_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .card import ConfidenceTest, ObjectDoubt

__all__ = ["confidence_text", "doubt_text"]

_MEANING = (
    "An object is right where its IoU with a true one is at least 0.5. AUROC: the chance that a "
    "right object has the higher value than a wrong one (0.5 says nothing), with its 95 % interval."
)
_FITTED = "(fitted to other images of the same set)"

_EVERY = 2
"""Of the limits of a card, each so manieth has a row."""
_FEWEST = 10
"""Fewer objects than that in a row tell no fraction."""
_HEAD = (
    "| doubt | objects | of these wrong | with all above it hidden: left | wrong among the left |",
    "|---|---:|---:|---:|---:|",
)

Limits = tuple[float, float, float]


def confidence_text(tests: Sequence[ConfidenceTest]) -> str:
    """Render the tests of a model's confidence as Markdown; empty where there are none.

    Parameters
    ----------
    tests
        Of the card. Texts in them cannot become markup.
    """
    if not tests:
        return ""
    # reliability counts on images that chose nothing; without such, on those that are there
    independent = [test for test in tests if not test.cross_validated] or tests
    parts = [_MEANING, _areas(tests), *map(_verdict, tests), *map(_reliability, independent)]
    commands = dict.fromkeys(for_code(test.command) for test in tests)
    if shown := "\n".join(filter(None, commands)):
        parts.append(f"Measured with:\n\n```sh\n{shown}\n```")
    return "\n\n".join(filter(None, parts))


def _named(test: ConfidenceTest) -> str:
    name = for_table_cell(test.dataset)
    return f"{name} {_FITTED}" if test.cross_validated else name


def _areas(tests: Sequence[ConfidenceTest]) -> str:
    """Return the table of AUROCs, one column for each test."""
    names = dict.fromkeys(name for test in tests for name in test.auroc)
    rows = [
        [f"AUROC of {for_table_cell(name)}", *(_area(t, name) for t in tests)] for name in names
    ]
    rows += [
        ["right objects", *(f"{test.right} of {test.right + test.wrong}" for test in tests)],
        ["images", *(f"{test.images}" for test in tests)],
        ["difference of stated and found (ECE)", *(f"{test.error:.3f}" for test in tests)],
    ]
    head = ["", *map(_named, tests)]
    lines = [head, ["---", *["---:"] * len(tests)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _area(test: ConfidenceTest, name: str) -> str:
    found = test.auroc.get(name)
    return "" if found is None else f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def _verdict(test: ConfidenceTest) -> str:
    return f"**{_named(test)}:** {test.verdict}" if test.verdict else ""


def _reliability(test: ConfidenceTest) -> str:
    if not test.reliability:
        return ""
    lines = [
        f"Stated confidence, and the fraction of objects that were right, of {_named(test)}:",
        "",
        "| confidence | objects | stated (mean) | found right |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {each.low:.1f}–{each.high:.1f} | {each.count} | {each.stated:.2f} | {each.found:.2f} |"
        for each in test.reliability
    ]
    return "\n".join(lines)


# -- doubt of the objects of a virtual stain ---------------------------------------------------


def doubt_text(blocks: Sequence[ObjectDoubt]) -> str:
    """Render what a card knows of the doubt of objects as Markdown; empty where that is nothing.

    Parameters
    ----------
    blocks
        Of the card. Texts in them cannot become markup.
    """
    return "\n\n".join(_block(one) for one in blocks if one.hidden)


def _block(block: ObjectDoubt) -> str:
    objects, stain = for_markdown(block.objects), for_markdown(block.stain)
    meaning = (
        f"The doubt is the probability that one of the {objects} in {stain} is wrong: not there, "
        f"or with an IoU below 0.5 with the real one. Of {block.count} in {block.fields} left-out "
        f"fields, {100 * block.wrong:.0f} % were wrong; each field was judged by a fit to the "
        "others."
    )
    limits = sorted(block.hidden)[_EVERY - 1 :: _EVERY]
    ends: list[Limits] = [(0.0, 1.0, 1.0), *limits, (1.0, 0.0, 0.0)]
    rows = [_row(block, low, high) for low, high in pairwise(ends)]
    return "\n".join([meaning, "", *_HEAD, *rows])


def _row(block: ObjectDoubt, low: Limits, high: Limits) -> str:
    """Return the row of the objects between two limits of the doubt."""
    count = round(block.count * (low[1] - high[1]))
    wrong = round(block.count * block.wrong * (low[2] - high[2]))
    left = round(block.count * (1 - high[1]))
    wrong_left = round(block.count * block.wrong * (1 - high[2]))
    cells = (
        f"{low[0]:.2g}–{high[0]:.2g}",
        str(count),
        _percent(wrong, count),
        f"{100 * (1 - high[1]):.0f} %",
        _percent(wrong_left, left),
    )
    return f"| {' | '.join(cells)} |"


def _percent(part: int, count: int) -> str:
    return f"{100 * part / count:.0f} %" if count >= _FEWEST else "–"
