"""Names of the scores of a generator, with their direction of improvement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.training.generate.recipe import GenerateRecipe
    from napari_cytosynth.training.task import Direction

__all__ = ["DIRECTIONS", "score_names", "unmeasured"]

_BITS = "bits/dim"
_GENERATE: dict[str, Direction | None] = {
    "Fréchet distance": "minimize",
    "kernel distance": "minimize",
    "kernel distance, std": None,
    "precision": "maximize",
    "recall": "maximize",
    "density": "maximize",
    "coverage": "maximize",
    "MS-SSIM between images": None,  # neither copies of one image nor noise is wanted
    "share nearer to training than real images, by features": "minimize",
    "share nearer to training than real images, by pixels": "minimize",
    "probability of that share by chance, by features": None,
    "probability of that share by chance, by pixels": None,
}
_CHANNEL: dict[str, Direction | None] = {
    "spectrum distance": "minimize",
    "intensity distance": "minimize",
}
_MASK: dict[str, Direction | None] = {"mask area distance": "minimize"}
_CONDITIONAL: dict[str, Direction | None] = {"mean |fraction asked − found|": "minimize"}
_LIKELIHOOD: dict[str, Direction | None] = {_BITS: "minimize", f"{_BITS}, standard error": None}
DIRECTIONS = _GENERATE | _CHANNEL | _MASK | _CONDITIONAL | _LIKELIHOOD


def score_names(recipe: GenerateRecipe, likelihood: int) -> list[str]:
    """Return the names of the scores of a model of the recipe."""
    names = [*_GENERATE, *(f"{name}, {c}" for name in _CHANNEL for c in recipe.data.channels)]
    if recipe.data.mask:
        names += _MASK
    if recipe.data.condition_on_fraction:
        names += _CONDITIONAL
    return names + ([*_LIKELIHOOD] if likelihood and _has_likelihood(recipe) else [])


def _has_likelihood(recipe: GenerateRecipe) -> bool:
    objective = recipe.objective
    pixels = objective.kind == "diffusion" and recipe.autoencoder is None
    return pixels and getattr(objective, "prediction", "") != "flow"


def unmeasured(recipe: GenerateRecipe, name: str) -> str:
    """Return why a score is not measured; empty if the reason is unknown."""
    if name not in _LIKELIHOOD:
        return ""
    if _has_likelihood(recipe):
        return f"“{name}” is not measured: the study's setting likelihood is 0."
    return (
        f"“{name}” is not measured of “{recipe.name}”: only diffusion models of pixels have it, "
        "and rectified flows do not."
    )
