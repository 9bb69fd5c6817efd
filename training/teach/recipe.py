"""Recipes of fine-tunings, from the card of the model that they start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_cytosynth.errors import ModelError, RecipeError
from napari_cytosynth.training.recipe.files import in_words
from napari_cytosynth.training.recipe.settings import assign
from napari_cytosynth.training.tasks import TASKS

from .kinds import kind_of
from .plan import TuningPlan
from .scratch import scratch_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import Recipe
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["check_kind", "folder_plan", "tuning_recipe"]


def folder_plan(card: ModelCard, start: str, data_dir: Path) -> TuningPlan:
    """Return the plan of fine-tuning on a data folder, by the folders that it has.

    Raises
    ------
    ModelError
        If models of this kind cannot be fine-tuned.
    RecipeError
        If a folder is missing.
    """
    plan = TuningPlan(start, f"{card.name}-tuned")
    return kind_of(card).folder(card, plan, data_dir)


def tuning_recipe(card: ModelCard, plan: TuningPlan, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a fine-tuning.

    Parameters
    ----------
    card
        Card of the model to start from: its network, scaling and channels are kept.
    plan
        Options of the fine-tuning.
    overrides
        Assignments such as ``train.learning_rate=0.001``. Default: none.

    Raises
    ------
    ModelError
        If models of this kind cannot be fine-tuned.
    RecipeError
        If a setting is unknown or impossible.
    """
    tree = kind_of(card).tree(card, plan)
    if plan.fresh:
        tree["train"] = scratch_settings(card, tree["train"])
    for assignment in overrides:
        assign(tree, assignment)
    try:
        recipe: Recipe = TASKS[card.inference.task].recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(f"The fine-tuning cannot be done:\n{in_words(error)}") from error
    roles = getattr(recipe, "channel_roles", None)
    same = recipe.output_channels == card.inference.output_channels
    if not same or (roles is not None and list(roles) != card.inference.roles):
        raise ModelError(
            f"“{card.name}” cannot be fine-tuned: its output channels "
            f"({', '.join(card.inference.output_channels)}) are not those of a training."
        )
    return recipe


def check_kind(card: ModelCard) -> None:
    """Check that models of a kind can be fine-tuned.

    Raises
    ------
    ModelError
        If they cannot.
    """
    kind_of(card)
