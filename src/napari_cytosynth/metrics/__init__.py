"""Metrics: pure functions on arrays."""

from __future__ import annotations

from .calibration import SigmaFit, calibrated_sigma, fit_sigma
from .confidence import (
    ConfidenceCurve,
    ConfidenceFit,
    auroc,
    best_iou,
    confidence_curve,
    fit_confidence,
    log_losses,
)
from .distribution import (
    area_distance,
    bootstrap_interval,
    foreground_fractions,
    frechet_distance,
    intensity_distance,
    kernel_distance,
)
from .diversity import pair_similarities, pairwise_diversity
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
from .manifold import ManifoldScores, manifold_scores
from .memorisation import (
    Memorisation,
    memorisation,
    nearest_distances,
    nearest_images,
    usual_distances,
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
from .spectrum import gaussian_matched, radial_frequencies, radial_spectrum, spectrum_distance
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
    "ConfidenceCurve",
    "ConfidenceFit",
    "Confusion",
    "Difference",
    "InstanceScores",
    "ManifoldScores",
    "Matching",
    "Memorisation",
    "Partition",
    "ProbabilityCounts",
    "Reliability",
    "SigmaFit",
    "Sparsification",
    "aji",
    "area_distance",
    "auroc",
    "average_precision",
    "best_iou",
    "bootstrap_interval",
    "brier",
    "calibrated_sigma",
    "compare_populations",
    "confidence_curve",
    "confusion",
    "coverage",
    "dice",
    "ece",
    "ence",
    "f1",
    "fit_confidence",
    "fit_sigma",
    "foreground_fractions",
    "frechet_distance",
    "gaussian_matched",
    "intensity_distance",
    "iou",
    "kernel_distance",
    "log_losses",
    "mae",
    "manifold_scores",
    "matching",
    "memorisation",
    "ms_ssim",
    "nearest_distances",
    "nearest_images",
    "nrmse",
    "pair_similarities",
    "pairwise_diversity",
    "panoptic_quality",
    "partition",
    "pcc",
    "precision_recall",
    "psnr",
    "radial_frequencies",
    "radial_spectrum",
    "reliability",
    "rmse",
    "sparsification",
    "spearman",
    "spectrum_distance",
    "ssim",
    "usual_distances",
]
