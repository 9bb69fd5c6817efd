"""Parts of a recipe's data: the images that validate, and those that are left for testing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.training.data.image_files import Pair
from napari_cytosynth.training.recipe.files import list_recipes, read_tree
from napari_cytosynth.training.recipe.loading import load_as
from napari_cytosynth.training.segment.data import find_images
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.training.segment.sources import sources_of, split_stems

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.segment.data import ImageFiles
    from napari_cytosynth.zoo.loading import Model

__all__ = ["part_of", "recipe_of"]


def part_of(recipe: SegmentRecipe, data_dir: Path, part: str) -> list[Pair]:
    """Return the images of a part, each with the truth of the recipe's first target.

    Parameters
    ----------
    recipe
        Its split decides.
    data_dir
        Folder that the recipe's folders are in.
    part
        Either ``validation`` or ``test``: what neither trains nor validates.

    Returns
    -------
    list of Pair
        At least one, ordered by name.

    Raises
    ------
    RecipeError
        If the part has no images, or the folder lacks what the recipe names.
    """
    wanted: list[ImageFiles] = []
    for source in sources_of(recipe.data):
        found = find_images(data_dir, source, recipe.data)
        parts = split_stems(list(found), source.split, source.name)
        stems = parts.validation if part == "validation" else parts.test
        wanted += [found[stem] for stem in sorted(stems)]
    if not wanted:
        doing = "validate with" if part == "validation" else "test"
        raise RecipeError(f"The recipe “{recipe.name}” leaves no images to {doing}.")
    return [Pair(files.image, files.truths[0]) for files in wanted]


def recipe_of(model: Model, name_or_path: str | None, part: str) -> SegmentRecipe:
    """Return the recipe whose split says what a model has not seen.

    Parameters
    ----------
    model
        A segmentation model.
    name_or_path
        Name or path of the recipe; None for the one that the model's card names.
    part
        As in :func:`part_of`.

    Raises
    ------
    InputError
        If the card names no recipe that ships, it is one of another task, or the model was trained
        on the part.
    RecipeError
        If the recipe cannot be used.
    """
    name = name_or_path or model.card.training.recipe
    if not name:
        raise InputError("The model's card names no recipe: name one with --recipe.")
    if not name_or_path and name not in list_recipes():
        raise InputError(
            f"The model was trained by a recipe of your own, “{name}”: name its file with "
            f"--recipe, for example runs/{name}/recipe.yaml."
        )
    if read_tree(name).get("task", "segment") != "segment":
        raise InputError(f"“{name}” is not a recipe of a segmentation model.")
    recipe = cast("SegmentRecipe", load_as({"segment": SegmentRecipe}, name))
    if part == "validation" and recipe.trains_on_validation:
        raise InputError(
            f"The recipe “{recipe.name}” trains on its validation images too, so that figures on "
            "them would flatter the model."
        )
    return recipe
