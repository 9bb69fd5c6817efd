"""Checks of a stainer's recipe, made before any image is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models.discriminator import MultiScaleDiscriminator
from napari_cytosynth.training.data.field_check import check_fields
from napari_cytosynth.training.data.wording import counted

if TYPE_CHECKING:
    from .recipe import AdversarialRecipe, StainRecipe

__all__ = ["check_stainer"]


def check_stainer(recipe: StainRecipe) -> None:
    """Raise RecipeError if the data block, the phases or the discriminator cannot be trained."""
    check_fields(recipe)
    if recipe.adversarial:
        _check_phases(recipe, recipe.adversarial)
        _check_discriminator(recipe, recipe.adversarial)


def _check_phases(recipe: StainRecipe, plan: AdversarialRecipe) -> None:
    train = recipe.train
    last = train.max_epochs // train.validate_every * train.validate_every
    if (last - 1) / train.max_epochs < plan.coarse_share:
        raise RecipeError(
            "The coarse half would train alone until the last validation (coarse_share is "
            f"{plan.coarse_share:g} of {counted(train.max_epochs, 'epoch')}), so that there would "
            "be no model to choose. Raise train.max_epochs, or lower train.validate_every or "
            "adversarial.coarse_share."
        )


def _check_discriminator(recipe: StainRecipe, plan: AdversarialRecipe) -> None:
    # the discriminator first sees the coarse half's stains, at half the resolution
    size = recipe.data.crop_size // (2 if plan.coarse_share else 1)
    try:
        with torch.device("meta"):
            discriminator = MultiScaleDiscriminator(
                1 + 1, plan.scales, 2, plan.layers, plan.spectral
            )
            discriminator(torch.empty(2, 1, size, size), torch.empty(2, 1, size, size))
    except (RuntimeError, ValueError) as error:
        raise RecipeError(
            f"adversarial: {plan.scales} scales of {plan.layers} layers are too many for a crop "
            f"of {recipe.data.crop_size} px. Lower them, or raise data.crop_size."
        ) from error
