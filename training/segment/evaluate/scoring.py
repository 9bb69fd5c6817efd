"""Scores of a segmentation model on images that its training has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.training.task import Scores

from .parts import part_of
from .run import SegmentOptions, evaluate_segment
from .score_names import with_old_names

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.training.task import ScoreOptions

__all__ = ["check_part", "score"]


def check_part(recipe: SegmentRecipe, data_dir: Path, part: str) -> None:
    """Raise RecipeError if a data folder lacks the images of a part."""
    part_of(recipe, data_dir, part)


def score(recipe: SegmentRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    """Measure the model in a folder as ``cytosynth evaluate segment`` does."""
    chosen, target = part_of(recipe, data_dir, options.part), recipe.data.targets[0]
    report = evaluate_segment(
        model,
        [pair.image for pair in chosen],
        [pair.target for pair in chosen],
        SegmentOptions(kind=target.kind, invert=target.invert, device=recipe.train.accelerator),
        keep_worst=0,
    )
    return Scores(with_old_names(report.metrics), images=len(chosen))
