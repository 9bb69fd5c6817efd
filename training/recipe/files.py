"""YAML files of recipes and studies: reading, and wording of their validation errors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from napari_cytosynth.errors import RecipeError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["in_words", "list_recipes", "read_tree", "shipped_names"]


def list_recipes() -> list[str]:
    """Return the names of the shipped recipes."""
    return shipped_names("recipes")


def shipped_names(folder: str) -> list[str]:
    """Return the names of the YAML files in a folder of this package, without their suffix."""
    found = (files("napari_cytosynth.training") / folder).iterdir()
    return sorted(item.name[:-5] for item in found if item.name.endswith(".yaml"))


def read_tree(name_or_path: str, folder: str = "recipes", noun: str = "recipe") -> dict[str, Any]:
    """Read a shipped YAML file by name, or any by path, without validation.

    Parameters
    ----------
    name_or_path
        Name of a file in `folder`, or the path of any file.
    folder
        Folder of this package. Default: ``recipes``.
    noun
        Kind of the file's content, for error messages. Default: ``recipe``.

    Raises
    ------
    RecipeError
        If there is no such file, or it is no valid YAML or no mapping.
    """
    shipped = shipped_names(folder)
    if name_or_path in shipped:
        resource = files("napari_cytosynth.training") / folder / f"{name_or_path}.yaml"
        text = resource.read_text("utf-8")
    elif (path := Path(name_or_path)).is_file():
        text = _text(path)
    else:
        raise RecipeError(
            f"There is no {noun} called “{name_or_path}” and no such file. "
            f"Shipped: {', '.join(shipped)}."
        )
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name_or_path} is not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{name_or_path} does not hold a {noun} (a mapping of settings).")
    return tree


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a text file in UTF-8: save it as such.") from error


def in_words(error: ValidationError, whole: str = "recipe") -> str:
    """Return validation errors as text, one line for each setting."""
    return "\n".join(
        f"  {'.'.join(map(str, item['loc'])) or whole}: {_reason(item)}" for item in error.errors()
    )


def _reason(item: ErrorDetails) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "there is no such setting; check its spelling and the block that it stands in"
        case "missing":
            return "this setting is missing"
        case "model_type":
            return "this should be a block of settings"
        case "union_tag_invalid":
            return f"the kind should be one of {item['ctx']['expected_tags']}"
    return item["msg"].removeprefix("Value error, ")
