"""Syntax of a study's settings: ranges of numbers, and assignments."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, ValidationError, model_validator

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.base import SettingsBlock
from napari_cytosynth.training.recipe.files import in_words
from napari_cytosynth.training.recipe.settings import assign, dotted

__all__ = ["Range", "override", "range_of"]

_RANGE_KEYS = {"low", "high", "log"}


class Range(SettingsBlock):
    """Range of numbers that a random or TPE search draws from."""

    low: int | float
    high: int | float
    log: bool = Field(False, description="draw the logarithm evenly")

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not self.low < self.high:
            raise ValueError("low must lie below high")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range needs numbers above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def values(self) -> range:
        """The whole numbers; none of a range of real numbers."""
        return range(int(self.low), int(self.high) + 1) if self.whole else range(0)

    @property
    def size(self) -> float:
        """Number of values that can be drawn; infinite for real numbers."""
        return len(self.values) if self.whole else math.inf


def range_of(key: str, given: object) -> Range | None:
    """Return the range that a varied setting is drawn from; None for values to choose among.

    Raises
    ------
    ValueError
        If it begins like a range and is none: misspelt, it would pass for names of values.
    """
    if not isinstance(given, dict) or not _RANGE_KEYS & given.keys():
        return None
    try:
        return Range.model_validate(given)
    except ValidationError as error:
        reasons = "; ".join(line.strip() for line in in_words(error, "range").splitlines())
        raise ValueError(
            f"{key} is no valid range ({reasons}): write {{low: 0.001, high: 0.1}}, and log: true "
            "for even steps of the logarithm. Values to choose among need other names."
        ) from error


def override(tree: dict[str, Any], assignment: str, known: set[str]) -> None:
    """Apply an assignment to a study, or to the recipe of every run.

    Parameters
    ----------
    tree
        The study as it was read; changed in place.
    assignment
        ``seeds=[0,1]`` or ``train.max_epochs=5``.
    known
        Settings of a study; all other keys belong to the recipe.

    Raises
    ------
    RecipeError
        If it is no assignment, or names what cannot be set.
    """
    key, equals, value = assignment.partition("=")
    first, _, rest = key.partition(".")
    if first not in known or not equals:
        first, rest = "set", key
    if first not in ("set", "vary") or not rest or not equals:
        assign(tree, assignment)
        return
    # their keys have dots
    block: Any = tree.get(first) or {}
    new: dict[str, Any] = {}
    if not isinstance(block, dict):
        raise RecipeError(f"“{first}” of the study should be a block of settings.")
    assign(new, f"value={value}")
    own = {rest: new["value"]}
    tree[first] = dotted(block) | dotted(own) if first == "set" else block | own
    if first == "vary" and isinstance(tree.get("set"), dict):  # what is varied is not set
        tree["set"] = {key: kept for key, kept in dotted(tree["set"]).items() if key != rest}
