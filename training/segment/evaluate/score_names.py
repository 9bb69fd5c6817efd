"""Names of the scores of a segmentation model, with their direction of improvement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.training.task import Direction

__all__ = ["DIRECTIONS", "score_names", "with_old_names"]

_PIXELS: dict[str, Direction | None] = {
    "foreground IoU": "maximize",
    "foreground IoU (mean per image)": "maximize",
    "Dice": "maximize",
    "Dice (mean per image)": "maximize",
    "precision": "maximize",
    "recall": "maximize",
    "calibration error (ECE)": "minimize",
    "Brier score (mean per image)": "minimize",
    "best foreground IoU at any threshold (chosen on these images)": "maximize",
    "threshold of that best foreground IoU": None,
}
_OBJECTS: dict[str, Direction | None] = {
    **{f"AP@{percent / 100:g} (pooled)": "maximize" for percent in range(50, 100, 5)},
    "AP@0.5 (mean per image)": "maximize",
    "AP@0.5:0.95 (pooled)": "maximize",
    "AP@0.5:0.95 (mean per image)": "maximize",
    "F1@0.5 (pooled)": "maximize",
    "F1@0.5 (mean per image)": "maximize",
    "object precision@0.5": "maximize",
    "object recall@0.5": "maximize",
    "AJI (pooled)": "maximize",
    "AJI (mean per image)": "maximize",
    "panoptic quality (pooled)": "maximize",
    "panoptic quality (mean per image)": "maximize",
    "split errors": "minimize",
    "merge errors": "minimize",
    "true objects": None,
    "predicted objects": None,
    "images without objects": None,
}
_NEW = _PIXELS | _OBJECTS
_WAYS = {" (pooled)": "", " (mean per image)": ", mean per image"}
_OLD = {
    name.removesuffix(way) + old: name
    for name in _NEW
    for way, old in _WAYS.items()
    if name.endswith(way)
}
"""Names in studies and records of earlier versions -> names of today."""
DIRECTIONS = _NEW | {old: _NEW[name] for old, name in _OLD.items()}


def score_names(recipe: SegmentRecipe, likelihood: int) -> list[str]:
    """Return the names of the scores of a model of the recipe, those of earlier versions last."""
    return list(DIRECTIONS)


def with_old_names(metrics: dict[str, float]) -> dict[str, float]:
    """Return the scores under the names of earlier versions too, which studies may still use."""
    return metrics | {old: metrics[name] for old, name in _OLD.items() if name in metrics}
