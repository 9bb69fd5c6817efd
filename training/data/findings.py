"""Problems, warnings and facts about a data folder, in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

from .wording import counted

__all__ = ["Findings"]


@dataclass
class Findings:
    """Results of the check of a data folder, in sentences.

    Attributes
    ----------
    title
        Heading of the report.
    errors
        Problems that stop the training, or make it worthless.
    warnings
        Oddities that a person should review.
    facts
        Contents of the folder.
    """

    title: str = ""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the report: problems first, then warnings, facts and the verdict."""
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
