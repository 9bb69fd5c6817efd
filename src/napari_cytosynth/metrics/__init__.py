"""Scores: pure functions on arrays."""

from __future__ import annotations

from .instance import (
    AP_THRESHOLDS,
    InstanceScores,
    Matching,
    aji,
    average_precision,
    f1,
    matching,
    panoptic_quality,
)
from .pixel import (
    Confusion,
    ProbabilityCounts,
    brier,
    confusion,
    dice,
    ece,
    iou,
    mae,
    pcc,
    precision_recall,
)

__all__ = [
    "AP_THRESHOLDS",
    "Confusion",
    "InstanceScores",
    "Matching",
    "ProbabilityCounts",
    "aji",
    "average_precision",
    "brier",
    "confusion",
    "dice",
    "ece",
    "f1",
    "iou",
    "mae",
    "matching",
    "panoptic_quality",
    "pcc",
    "precision_recall",
]
