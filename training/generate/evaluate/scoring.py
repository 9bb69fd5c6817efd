"""Scores of a generator, and its baselines: real images and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.task import Scores
from napari_cytosynth.zoo.loading import load_model

from .run import GenerateOptions, Sampling, evaluate_generate

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.generate.recipe import GenerateRecipe
    from napari_cytosynth.training.task import ScoreOptions

__all__ = ["check_part", "score"]


def check_part(recipe: GenerateRecipe, data_dir: Path, part: str) -> None:
    """Raise RecipeError if a data folder lacks the images of a part."""
    if not GenerateData(recipe, data_dir).files.get(part):
        raise RecipeError(f"The recipe “{recipe.name}” names no images to {part}.")


def score(recipe: GenerateRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    """Measure the model in a folder as ``cytosynth evaluate generate`` does."""
    # all models draw from the same noise: their scores differ by their weights only
    generate_options = GenerateOptions(
        count=options.count,
        extractor=recipe.encoder,
        part=options.part,
        sampling=Sampling(device=recipe.train.accelerator),
        likelihood=options.likelihood,
        reference=options.count,  # describing more of them would take longer than the rest
    )
    report = evaluate_generate(
        [load_model(model)], GenerateData(recipe, data_dir), generate_options
    )
    (scores,) = report.models.values()
    baselines = {"real images": report.baselines["real"], "noise": report.baselines["noise"]}
    return Scores(scores.figures, baselines, options.count)
