"""Training in rounds: each begins with the weights of the one before, the rate up again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError

from .evaluation import read_record
from .recipe import assign, in_words

if TYPE_CHECKING:
    from pathlib import Path

    from .generate_recipe import GenerateRecipe
    from .recipe import Recipe
    from .stain_recipe import StainRecipe

    AnyRecipe = Recipe | StainRecipe | GenerateRecipe

_SAME = ("name", "task", "network", "autoencoder", "rounds")

__all__ = ["earlier_rounds", "is_done", "round_folder", "spent", "starting_from"]


def earlier_rounds(recipe: AnyRecipe) -> list[AnyRecipe]:
    """Return the recipes of all rounds but the last, which is the recipe itself.

    Each draws other crops: the seeds count up, and end with the recipe's own plus the number of
    rounds before (see :func:`starting_from`).

    Raises
    ------
    RecipeError
        If a round changes what is no setting, or cannot be changed between rounds.
    """
    found = []
    for number, settings in enumerate(recipe.rounds, 1):
        for key in settings:
            if key.partition(".")[0] in _SAME:
                raise RecipeError(f"rounds: “{key}” is the same in all; set it for the whole.")
        seed = {"train.seed": recipe.train.seed + number - 1}
        try:
            found.append(_changed(recipe, {"rounds": [], **seed, **settings}))
        except RecipeError as error:
            raise RecipeError(f"In round {number} of the block rounds: {error}") from error
    return found


def starting_from(recipe: AnyRecipe, number: int, out: Path) -> AnyRecipe:
    """Return the recipe of a round so that it goes on from the round before.

    Parameters
    ----------
    recipe
        Of the round: the recipe itself, or one of its :func:`earlier_rounds`.
    number
        Of the round, from 1.
    out
        Folder of the whole run.
    """
    if number == 1:
        return recipe
    settings: dict[str, Any] = {
        "network.start_from": str(round_folder(out, number - 1) / recipe.name)
    }
    if recipe.rounds:  # the last one; the others have theirs
        settings["train.seed"] = recipe.train.seed + number - 1
    return _changed(recipe, settings)


def round_folder(out: Path, number: int) -> Path:
    """Return the run folder of a round but the last."""
    return out / f"round-{number}"


def is_done(recipe: AnyRecipe, folder: Path) -> bool:
    """Whether a round has written its model."""
    written = ("validation.json", f"{recipe.name}/README.md")
    return all((folder / name).is_file() for name in written)


def spent(recipe: AnyRecipe, out: Path) -> dict[str, float]:
    """Return the seconds and optimiser steps of all rounds but the last."""
    records = [
        read_record(round_folder(out, number) / "validation.json")
        for number in range(1, len(recipe.rounds) + 1)
    ]
    return {key: sum(record[key] for record in records) for key in ("steps", "seconds")}


def _changed(recipe: AnyRecipe, settings: dict[str, Any]) -> AnyRecipe:
    """Return a recipe with some settings changed: dotted key -> value."""
    tree = recipe.model_dump(mode="json")
    for key, value in settings.items():
        assign(tree, f"{key}={json.dumps(value)}")
    try:
        return type(recipe).model_validate(tree)
    except ValidationError as error:
        raise RecipeError(f"\n{in_words(error)}") from error
