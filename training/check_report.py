"""What a look at a data folder found, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Report", "counted", "named", "nothing_marked"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def named(names: Sequence[str], most: int = 4) -> str:
    """Return names in quotes, the first few of them: ``“a”, “b” and 7 more``."""
    shown = ", ".join(f"“{name}”" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def nothing_marked(name: str) -> str:
    """Return what to say of masks that hold nothing."""
    return (
        f"Nothing is marked as “{name}” in any mask to train on. Are these the right files, "
        "and is the object non-zero in them?"
    )


@dataclass
class Report:
    """Findings in words, each a sentence or two.

    Attributes
    ----------
    title
        What was looked at.
    errors
        What stops the training, or makes it worthless.
    warnings
        What a person should look at.
    facts
        What is there.
    """

    title: str = ""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return all of it: problems first, then warnings, then facts, then the verdict."""
        blocks = [self.title]
        for heading, lines in (
            ("Problems that stop the training", self.errors),
            ("Worth a look", self.warnings),
            ("What is there", self.facts),
        ):
            if lines:
                blocks.append("\n".join([heading, *(f"  - {line}" for line in lines)]))
        return "\n\n".join([*blocks, self._verdict()]) + "\n"

    def _verdict(self) -> str:
        if self.errors:
            return f"Not ready: {counted(len(self.errors), 'problem')} to solve before training."
        if self.warnings:
            return f"Ready to train, with {counted(len(self.warnings), 'thing')} worth a look."
        return "Ready to train: nothing unusual was found."
