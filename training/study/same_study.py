"""Check that a folder holds runs of the same study, so that means never mix settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.files import replace_file
from napari_cytosynth.training.recipe.settings import differing, open_precision

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import Recipe

    from .study import Study

__all__ = ["remember"]

# what a study may differ in from what its folder holds: more runs, other words, and scores,
# which are measured from what is trained
_FREE = {"seeds", "trials", "title", "question", "remarks", "scores"}


def remember(study: Study, recipe: Recipe, out: Path) -> None:
    """Write a study and its recipe beside its runs, or check that they are the same.

    Parameters
    ----------
    study
        The study.
    recipe
        That of the first arm and seed: a name alone would not show that its file was edited.
    out
        The folder, which exists. Where it holds no recipe, this one is kept.

    Raises
    ------
    RecipeError
        If they differ.
    """
    path, given = out / "study.yaml", study.model_dump(mode="json")
    if path.is_file():
        kept = _read(path)
        # of the recipe it is the settings that count, not how its file was named
        free = _FREE | ({"recipe"} if (out / "recipe.yaml").is_file() else set())
        other = [key for key in given if key not in free and kept.get(key) != given[key]]
        if other:
            raise RecipeError(
                f"“{out}” holds runs of this study with other settings ({', '.join(other)}): "
                "choose another --out."
            )
    _remember_recipe(study, recipe, out / "recipe.yaml")
    _write(path, given)


def _remember_recipe(study: Study, recipe: Recipe, path: Path) -> None:
    now = _resolved(recipe)
    if not path.is_file():
        _write(path, now)
        return
    kept = _read_today(_read(path), recipe)
    if changed := differing(kept, now, open_precision(kept, now)):
        raise RecipeError(
            f"The recipe “{study.recipe}” has changed since the runs in “{path.parent}” were "
            f"begun ({', '.join(changed)}), and their means would mix the two: choose another "
            f"--out, or go back to the settings in “{path.name}” there."
        )


def _resolved(recipe: Recipe) -> dict[str, Any]:
    """Return all settings that shape a run, defaults included, but for its seed."""
    found: dict[str, Any] = recipe.model_dump(
        mode="json", exclude={"name": True, "card": True, "train": {"seed"}}
    )
    return found


def _read_today(kept: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return a kept recipe with the defaults of settings that were unknown when it was kept."""
    try:
        return _resolved(type(recipe).model_validate({"name": recipe.name, **kept}))
    except ValidationError:
        return kept


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        kept = None
    if not isinstance(kept, dict):
        raise RecipeError(
            f"“{path}” is damaged, so that nobody can tell what the runs beside it are of: choose "
            "another --out."
        )
    return kept


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file atomically: several processes may read it."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    replace_file(path, text.encode())
