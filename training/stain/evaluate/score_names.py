"""Names of the scores of a virtual stainer, with their direction of improvement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.training.stain.recipe import StainRecipe
    from napari_cytosynth.training.task import Direction

__all__ = ["DIRECTIONS", "score_names"]

DIRECTIONS: dict[str, Direction | None] = {
    "PCC": "maximize",
    "PCC, mean per image": "maximize",
    "SSIM, mean per image": "maximize",
    "MS-SSIM, mean per image": "maximize",
    "PSNR": "maximize",
    "NRMSE": "minimize",
    "MAE": "minimize",
    "power at the Nyquist frequency, virtual / real": None,  # best at 1
    "peak at the Nyquist frequency": "minimize",
    "Spearman of error and predicted intensity": None,
    "AUSE of predicted intensity": None,
}


def score_names(recipe: StainRecipe, likelihood: int) -> list[str]:
    """Return the names of the scores of a model of the recipe."""
    stains = recipe.data.target_channels
    each = [f"{stain}: {name}" for stain in stains for name in DIRECTIONS]
    return [*DIRECTIONS, *(each if len(stains) > 1 else [])]
