"""What the runs of a study can be compared by: names of scores, and which way is better."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from napari_cytosynth.errors import RecipeError

from .generate_recipe import GenerateRecipe
from .recipe import _Record
from .stain_recipe import StainRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .recipe import Recipe

    AnyRecipe = Recipe | StainRecipe | GenerateRecipe

__all__ = ["FIGURES", "Score", "check_scores", "direction_of", "measures"]

Direction = Literal["minimize", "maximize"]

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
_TOLD: dict[str, Direction | None] = {"mean |fraction asked − found|": "minimize"}
_LIKELIHOOD: dict[str, Direction | None] = {_BITS: "minimize", f"{_BITS}, standard error": None}
_STAIN: dict[str, Direction | None] = {
    "PCC": "maximize",
    "PCC, mean per image": "maximize",
    "SSIM, mean per image": "maximize",
    "MS-SSIM, mean per image": "maximize",
    "PSNR": "maximize",
    "NRMSE": "minimize",
    "MAE": "minimize",
    "Spearman of error and predicted intensity": None,
    "AUSE of predicted intensity": None,
}
_SEGMENT: dict[str, Direction | None] = {
    "foreground IoU": "maximize",
    "foreground IoU, mean per image": "maximize",
    "Dice": "maximize",
    "Dice, mean per image": "maximize",
    "precision": "maximize",
    "recall": "maximize",
    "calibration error (ECE)": "minimize",
    "Brier score, mean per image": "minimize",
    "best foreground IoU at any threshold (chosen on these images)": "maximize",
    "threshold of that best foreground IoU": None,
}
_OBJECTS: dict[str, Direction | None] = {
    **{f"AP@{percent / 100:g}": "maximize" for percent in range(50, 100, 5)},
    "AP@0.5, mean per image": "maximize",
    "AP@0.5:0.95": "maximize",
    "AP@0.5:0.95, mean per image": "maximize",
    "F1@0.5": "maximize",
    "F1@0.5, mean per image": "maximize",
    "object precision@0.5": "maximize",
    "object recall@0.5": "maximize",
    "AJI": "maximize",
    "AJI, mean per image": "maximize",
    "panoptic quality": "maximize",
    "panoptic quality, mean per image": "maximize",
    "true objects": None,
    "predicted objects": None,
}
_ALL = _GENERATE | _CHANNEL | _MASK | _TOLD | _LIKELIHOOD | _STAIN | _SEGMENT | _OBJECTS
FIGURES = frozenset(_ALL)


def direction_of(name: str) -> Direction | None:
    """Return which way a score is better; None if it is unknown, or has no better way.

    Parameters
    ----------
    name
        As the evaluations call it, perhaps of one stain (``DNA: PCC``) or channel
        (``spectrum distance, DNA``).
    """
    figure = name.rpartition(": ")[2]
    channel = figure.partition(", ")[0]
    return _CHANNEL[channel] if channel in _CHANNEL else _ALL.get(figure)


class Score(_Record):
    """One figure that runs are compared by."""

    name: str = Field(min_length=1, description="as the evaluations call it: Fréchet distance")
    direction: Direction = Field(description="may be left out where it is known")

    @model_validator(mode="before")
    @classmethod
    def _better_way(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return given
        name, asked = given["name"], given.get("direction")
        known = direction_of(name)
        if known is None and asked is None:
            raise ValueError(
                f"say whether more or less of “{name}” is better (direction: maximize, or "
                f"minimize), or check its spelling{_nearest(name, _ALL)}"
            )
        if known is not None and asked in ("minimize", "maximize") and asked != known:
            more = "more" if known == "maximize" else "less"
            raise ValueError(f"{more} of “{name}” is better: its direction is {known}")
        return given | {"direction": asked or known}


def measures(recipe: AnyRecipe, likelihood: int) -> list[str]:
    """Return the names of all figures that a run of a recipe is measured by.

    Parameters
    ----------
    recipe
        Of the run.
    likelihood
        Number of images whose bits/dim are measured.
    """
    if isinstance(recipe, GenerateRecipe):
        return _of_generator(recipe, likelihood)
    if isinstance(recipe, StainRecipe):
        stains = recipe.data.target_channels
        each = [f"{stain}: {name}" for stain in stains for name in _STAIN]
        return [*_STAIN, *(each if len(stains) > 1 else [])]
    return [*_SEGMENT, *(_OBJECTS if recipe.data.targets[0].kind == "labels" else [])]


def _of_generator(recipe: GenerateRecipe, likelihood: int) -> list[str]:
    names = [*_GENERATE, *(f"{name}, {c}" for name in _CHANNEL for c in recipe.data.channels)]
    if recipe.data.mask:
        names += _MASK
    if recipe.data.condition_on_fraction:
        names += _TOLD
    return names + ([*_LIKELIHOOD] if likelihood and _has_likelihood(recipe) else [])


def _has_likelihood(recipe: GenerateRecipe) -> bool:
    return recipe.objective.kind == "diffusion" and recipe.autoencoder is None


def check_scores(scores: Iterable[Score], recipe: AnyRecipe, likelihood: int) -> None:
    """Look whether a recipe's evaluation measures some scores.

    Raises
    ------
    RecipeError
        With the nearest name, if it does not.
    """
    known = measures(recipe, likelihood)
    for score in scores:
        if score.name in known:
            continue
        if score.name in _LIKELIHOOD and isinstance(recipe, GenerateRecipe):
            raise RecipeError(_no_likelihood(score.name, recipe))
        near = _nearest(score.name, known)
        raise RecipeError(
            f"“{score.name}” is not measured{near}. Scores of the recipe “{recipe.name}” are "
            f"{', '.join(known)}."
        )


def _no_likelihood(name: str, recipe: GenerateRecipe) -> str:
    if _has_likelihood(recipe):
        return f"“{name}” is not measured: the study's setting likelihood is 0."
    return f"“{name}” is not measured of “{recipe.name}”: only diffusion models of pixels have it."


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a question with the name that was probably meant; empty if none is like it."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f": did you mean “{folded[found[0]]}”?" if found else ""
