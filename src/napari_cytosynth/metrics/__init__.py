"""Scores: pure functions on arrays."""

from __future__ import annotations

from .image import ms_ssim, nrmse, psnr, rmse, ssim
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
from .population import Difference, compare_populations
from .splitting import Partition, partition
from .uncertainty import (
    COVERAGE_GOALS,
    Reliability,
    Sparsification,
    calibrated_sigma,
    coverage,
    ence,
    fit_sigma,
    reliability,
    sparsification,
    spearman,
)

__all__ = [
    "AP_THRESHOLDS",
    "COVERAGE_GOALS",
    "Confusion",
    "Difference",
    "InstanceScores",
    "Matching",
    "Partition",
    "ProbabilityCounts",
    "Reliability",
    "Sparsification",
    "aji",
    "average_precision",
    "brier",
    "calibrated_sigma",
    "compare_populations",
    "confusion",
    "coverage",
    "dice",
    "ece",
    "ence",
    "f1",
    "fit_sigma",
    "iou",
    "mae",
    "matching",
    "ms_ssim",
    "nrmse",
    "panoptic_quality",
    "partition",
    "pcc",
    "precision_recall",
    "psnr",
    "reliability",
    "rmse",
    "sparsification",
    "spearman",
    "ssim",
]
