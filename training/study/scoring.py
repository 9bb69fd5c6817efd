"""Scores of one run of a study, on images left out of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.task import ScoreOptions, Scores
from napari_cytosynth.training.tasks import task_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import Recipe

    from .study import Study

__all__ = ["score_run"]


def score_run(study: Study, recipe: Recipe, model: Path, data_dir: Path) -> Scores:
    """Measure the model of one run as ``cytosynth evaluate`` does.

    Parameters
    ----------
    study
        Defines the part of the data and the number of images.
    recipe
        The recipe of the run.
    model
        Folder of its model.
    data_dir
        Folder of the data.

    Raises
    ------
    RecipeError
        If the part has no images, or a score of the study is not among the figures.
    CytosynthError
        As the evaluations do.
    """
    options = ScoreOptions(study.part, study.count, study.likelihood)
    found = task_of(recipe).score(recipe, model, data_dir, options)
    if unknown := [score.name for score in study.scores if score.name not in found.figures]:
        raise RecipeError(
            f"“{unknown[0]}” was not measured. Scores of this run are {', '.join(found.figures)}."
        )
    return found
