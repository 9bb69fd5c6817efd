"""Wording of numbers and names in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["counted", "named", "nothing_marked"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def named(names: Sequence[str], most: int = 4) -> str:
    """Return the first `most` names (default: 4) in quotes: ``“a”, “b” and 7 more``."""
    shown = ", ".join(f"“{name}”" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def nothing_marked(name: str) -> str:
    """Return the message for masks that mark nothing."""
    return (
        f"Nothing is marked as “{name}” in any mask to train on. Are these the right files, "
        "and is the object non-zero in them?"
    )
