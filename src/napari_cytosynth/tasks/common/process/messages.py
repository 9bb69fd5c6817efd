"""What every process sends back, whatever its work: pickled, over a pipe."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failed", "Final", "Working"]


@dataclass(frozen=True)
class Working:
    """What goes on: `done` of `total`, and a text."""

    done: int
    total: int
    text: str


@dataclass(frozen=True)
class Failed:
    """The work could not go on, for the reason in the sentence."""

    sentence: str


@dataclass(frozen=True)
class Final:
    """The work is over: base of the result that a process sends last."""
