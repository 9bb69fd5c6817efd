"""Registry of the tasks that models are trained for, and loading a recipe of any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.generate.task import GENERATE
from napari_cytosynth.training.recipe.loading import load_as
from napari_cytosynth.training.segment.task import SEGMENT
from napari_cytosynth.training.stain.task import STAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.training.recipe.base import Recipe

    from .task import Task

__all__ = ["TASKS", "load_recipe", "task_of"]

TASKS: dict[str, Task[Any]] = {"segment": SEGMENT, "stain": STAIN, "generate": GENERATE}
"""Name, as in a recipe's ``task`` -> record."""


def task_of(recipe: Recipe) -> Task[Any]:
    """Return the record of a recipe's task."""
    return TASKS[recipe.task]


def load_recipe(name_or_path: str, overrides: Sequence[str] | None = None) -> Recipe:
    """Read and validate a recipe.

    Parameters
    ----------
    name_or_path
        Name of a shipped recipe, or the path of a YAML file.
    overrides
        Assignments such as ``train.max_epochs=5``. One of ``network.start_from`` leaves out the
        recipe's ``rounds``, and one of ``name`` the card's data sets and licences,
        unless they are assigned too. None (default) for none.

    Raises
    ------
    RecipeError
        If there is no such recipe, or a setting is unknown or impossible.
    """
    classes = {name: task.recipe for name, task in TASKS.items()}
    return load_as(classes, name_or_path, overrides or ())
