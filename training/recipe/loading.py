"""Loading of a recipe from YAML and assignments, validated by its task's class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_cytosynth.arguments import either
from napari_cytosynth.errors import RecipeError

from .files import in_words, read_tree
from .settings import assign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .base import Recipe

__all__ = ["load_as"]

_BLOCKS = {"autoencoder", "card", "data", "network", "train"}
# fields of a recipe's card that describe our data and weights
_OF_OUR_DATA = ("licence", "datasets", "data_licence", "citations", "remarks")


def load_as(
    classes: Mapping[str, type[Recipe]], name_or_path: str, overrides: Sequence[str] = ()
) -> Recipe:
    """Read and validate a recipe of one of several tasks.

    Parameters
    ----------
    classes
        Name of a task -> class of its recipes.
    name_or_path
        Name of a shipped recipe, or the path of a YAML file.
    overrides
        Assignments such as ``train.max_epochs=5``. Default: none.

    Raises
    ------
    RecipeError
        If there is no such recipe, it is of another task, or a setting is unknown or impossible.
    """
    tree = _changed_tree(name_or_path, overrides)
    task = str(tree.get("task", "segment"))
    if task not in classes:
        raise RecipeError(f"The task “{task}” should be {either(classes)}.")
    try:
        return classes[task].model_validate(tree)
    except ValidationError as error:
        raise RecipeError(
            f"The recipe “{name_or_path}” cannot be used:\n{in_words(error)}"
        ) from error


def _changed_tree(name_or_path: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Read a recipe, and apply the assignments and what follows from some of them."""
    tree = read_tree(name_or_path)
    changed = set()
    for assignment in overrides:
        assign(tree, assignment)
        key = assignment.partition("=")[0]
        _check_block(tree, key)
        changed.add(key)
    if "name" in changed:  # a model of one's own, learned from other data than ours
        for key in _OF_OUR_DATA:
            if f"card.{key}" not in changed:
                tree.get("card", {}).pop(key, None)
    if "network.start_from" in changed and "rounds" not in changed:
        tree["rounds"] = []  # they are for fresh weights
    return tree


def _check_block(tree: dict[str, Any], key: str) -> None:
    if key in _BLOCKS and tree[key] is not None:
        raise RecipeError(
            f"“{key}” is a block of settings, and all that are not named would be lost: name "
            "single ones of it, as in train.max_epochs=5."
        )
