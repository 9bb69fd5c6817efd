"""Loading of the recipes of generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.recipe.files import read_tree
from napari_cytosynth.training.recipe.loading import load_as

from .recipe import GenerateRecipe

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_generator"]


def load_generator(name_or_path: str | Path, advice: str = "") -> GenerateRecipe:
    """Read and validate the recipe of a generator.

    Parameters
    ----------
    name_or_path
        Name of a shipped recipe, or the path of a YAML file.
    advice
        Advice added to the error about a recipe of another task. Default: empty.

    Raises
    ------
    InputError
        If it is a recipe of another task.
    RecipeError
        If there is no such recipe, or a setting is unknown or impossible.
    """
    tree = read_tree(str(name_or_path))
    if tree.get("task") != "generate":
        name = tree.get("name", name_or_path)
        raise InputError(f"“{name}” is not a recipe of a generator{advice}.")
    return cast("GenerateRecipe", load_as({"generate": GenerateRecipe}, str(name_or_path)))
