"""Checks of a generator's objective, made before any image is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models.decoder import check_size

from .recipe import GanObjective

if TYPE_CHECKING:
    from .recipe import GenerateRecipe

__all__ = ["check_generator"]


def check_generator(recipe: GenerateRecipe) -> None:
    """Raise RecipeError if the critic does not fit the crops."""
    plan = recipe.objective
    if not isinstance(plan, GanObjective):
        return
    try:
        check_size(recipe.data.crop_size, plan.critic_widths)
    except ValueError as error:
        raise RecipeError(f"objective.critic_widths: {error}.") from error
