"""Scores: pure functions on arrays."""

from __future__ import annotations

from .calibration import SigmaFit, calibrated_sigma, fit_sigma
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
    coverage,
    ence,
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
    "SigmaFit",
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
