"""Scores of a segmentation model on images that its training has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.segment.data import SegmentationData
from napari_cytosynth.training.task import Scores

from .run import SegmentOptions, evaluate_segment

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.training.task import ScoreOptions

__all__ = ["check_part", "score"]


def check_part(recipe: SegmentRecipe, data_dir: Path, part: str) -> None:
    """Raise RecipeError if a data folder lacks the images of a part."""
    _names(SegmentationData(recipe, data_dir), part)


def _names(data: SegmentationData, part: str) -> list[str]:
    if part == "validation":
        return sorted(data.validation_names)
    if not data.test_names:
        raise RecipeError(f"The recipe “{data.recipe.name}” leaves no images to test.")
    return data.test_names


def score(recipe: SegmentRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    """Measure the model in a folder as ``cytosynth evaluate segment`` does."""
    data, target = SegmentationData(recipe, data_dir), recipe.data.targets[0]
    chosen = [data.files[name] for name in _names(data, options.part)]
    report = evaluate_segment(
        model,
        [files.image for files in chosen],
        [files.truths[0] for files in chosen],
        SegmentOptions(kind=target.kind, invert=target.invert, device=recipe.train.accelerator),
        keep_worst=0,
    )
    return Scores(report.metrics, images=len(chosen))
