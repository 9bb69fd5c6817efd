"""Checks of scaling and augmentation of recipes of whole fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError

from .augmentation import blur_halo, window_of

if TYPE_CHECKING:
    from napari_cytosynth.training.recipe.base import AugmentRecipe, FieldRecipe

__all__ = ["check_augmentation", "check_fields"]

_LARGEST_WINDOW = 8  # times the crop that is made from it


def check_fields(recipe: FieldRecipe) -> None:
    """Raise RecipeError if a range of scaling or augmentation is impossible."""
    augment: AugmentRecipe | None = recipe.data.augment
    if augment and not 0 < augment.scale[0] <= augment.scale[1]:
        raise RecipeError(
            "data.augment.scale should be the smallest and the largest magnification, both above "
            "0, for example [0.8, 1.25]."
        )
    if augment:
        check_augmentation(augment, recipe.data.crop_size)


def check_augmentation(augment: AugmentRecipe, size: int) -> None:
    """Raise RecipeError if crops of `size` px cannot be made."""
    if blur_halo(augment.blur) >= size:
        raise RecipeError(
            f"data.augment.blur is {augment.blur:g} px, too much for a crop of {size} px: a third "
            "of the crop is the most."
        )
    window = window_of(size, augment)
    if window > _LARGEST_WINDOW * size:
        raise RecipeError(
            f"data.augment: a crop of {size} px would be made from {window:,} px. Raise the "
            "smallest scale or lower elastic."
        )
