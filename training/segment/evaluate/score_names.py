"""Names of the scores of a segmentation model, with their direction of improvement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.training.task import Direction

__all__ = ["DIRECTIONS", "score_names"]

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
DIRECTIONS = _SEGMENT | _OBJECTS


def score_names(recipe: SegmentRecipe, likelihood: int) -> list[str]:
    """Return the names of the scores of a model of the recipe."""
    return [*_SEGMENT, *(_OBJECTS if recipe.instances else [])]
