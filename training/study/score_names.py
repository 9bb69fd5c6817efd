"""Scores of the runs of a study: names, and direction of improvement."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.base import SettingsBlock
from napari_cytosynth.training.task import Direction  # noqa: TC001  (pydantic reads the annotation)
from napari_cytosynth.training.tasks import TASKS, task_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["FIGURES", "Score", "check_scores", "direction_of", "measures"]

_ALL = {name: way for task in TASKS.values() for name, way in task.directions.items()}
FIGURES = frozenset(_ALL)


def direction_of(name: str) -> Direction | None:
    """Return the direction of improvement of a score; None if it is unknown or has none.

    Parameters
    ----------
    name
        Name in the evaluations, perhaps of one stain (``DNA: PCC``) or channel
        (``spectrum distance, DNA``).
    """
    figure = name.rpartition(": ")[2]
    return _ALL.get(figure if figure in _ALL else figure.partition(", ")[0])


class Score(SettingsBlock):
    """One score that runs are compared by."""

    name: str = Field(min_length=1, description="as the evaluations call it: Fréchet distance")
    direction: Direction = Field(description="may be left out where it is known")

    @model_validator(mode="before")
    @classmethod
    def _better_way(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return given
        name, direction = given["name"], given.get("direction")
        known = direction_of(name)
        if known is None and direction is None:
            raise ValueError(
                f"say whether more or less of “{name}” is better (direction: maximize, or "
                f"minimize), or check its spelling{_nearest(name, _ALL)}"
            )
        if known is not None and direction in ("minimize", "maximize") and direction != known:
            more = "more" if known == "maximize" else "less"
            raise ValueError(f"{more} of “{name}” is better: its direction is {known}")
        return given | {"direction": direction or known}


def measures(recipe: Recipe, likelihood: int) -> list[str]:
    """Return the names of all scores of a run of a recipe.

    Parameters
    ----------
    recipe
        Of the run.
    likelihood
        Number of images whose bits/dim are measured.
    """
    return task_of(recipe).score_names(recipe, likelihood)


def check_scores(scores: Iterable[Score], recipe: Recipe, likelihood: int) -> None:
    """Check that a recipe's evaluation measures the scores.

    Raises
    ------
    RecipeError
        With the nearest name, if it does not.
    """
    known = measures(recipe, likelihood)
    for score in scores:
        if score.name in known:
            continue
        if reason := task_of(recipe).unmeasured(recipe, score.name):
            raise RecipeError(reason)
        near = _nearest(score.name, known)
        raise RecipeError(
            f"“{score.name}” is not measured{near}. Scores of the recipe “{recipe.name}” are "
            f"{', '.join(known)}."
        )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a suggestion of a similar name, as a question; empty if there is none."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f": did you mean “{folded[found[0]]}”?" if found else ""
