"""Scores of a segmentation model, accumulated over the images of an evaluation."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from napari_cytosynth.metrics import (
    AP_THRESHOLDS,
    Confusion,
    InstanceScores,
    Partition,
    ProbabilityCounts,
    brier,
    confusion,
    ece,
    partition,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EvaluatedField", "Kind", "SegmentTally", "WorstField"]

Kind = Literal["mask", "labels"]
CURVE = (0.01, 0.02, 0.05, *(k / 20 for k in range(2, 20)), 0.98, 0.99)


@dataclass(frozen=True, eq=False)
class EvaluatedField:
    """One image, its truth and what a model found in it; all planes are (Y, X).

    Attributes
    ----------
    name
        Name of the image.
    image
        As it was read.
    truth
        Labels, or the mask of the foreground.
    true_objects
        Labels of the true objects that count.
    probability
        In [0, 1].
    predicted
        Labels of the objects found that count.
    threshold
        Pixels at or above this probability are foreground.
    """

    name: str
    image: NDArray[Any]
    truth: NDArray[Any]
    true_objects: NDArray[Any]
    probability: NDArray[np.float32]
    predicted: NDArray[Any]
    threshold: float


@dataclass(frozen=True, eq=False)
class WorstField:
    """A field with a low score, for a figure page."""

    score: float
    field: EvaluatedField


class SegmentTally:
    """Counts of pixels and objects, accumulated over the images of an evaluation.

    Parameters
    ----------
    kind
        What the truth is; the worst fields are those of the lowest AP@0.5 of labels, and of the
        lowest foreground IoU of masks.
    keep
        Number of the worst fields to keep.
    """

    def __init__(self, kind: Kind, keep: int) -> None:
        self.kind, self.keep = kind, keep
        self.pixels: list[Confusion] = []
        self.briers: list[float] = []
        self.counts = ProbabilityCounts()
        self.instances = InstanceScores()
        self.partition = Partition()
        self.empty = 0
        self.rows: list[dict[str, Any]] = []
        self._worst: list[tuple[float, int, WorstField]] = []

    def add(self, field: EvaluatedField) -> None:
        """Add one field."""
        pixels = confusion(field.probability >= field.threshold, field.truth)
        self.pixels.append(pixels)
        self.briers.append(brier(field.probability, field.truth))
        self.counts.add(field.probability, field.truth)
        row: dict[str, Any] = {
            "image": field.name,
            "foreground IoU": pixels.iou,
            "Dice": pixels.dice,
            "precision": pixels.precision,
            "recall": pixels.recall,
            "ECE": ece(field.probability, field.truth),
            **self._objects(field.true_objects, field.predicted),
        }
        self.rows.append(row)
        worst = WorstField(row["AP@0.5" if self.kind == "labels" else "foreground IoU"], field)
        heapq.heappush(self._worst, (-worst.score, len(self.rows), worst))
        if len(self._worst) > self.keep:
            heapq.heappop(self._worst)

    def _objects(self, truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, Any]:
        scores, parts = self.instances.add(truth, predicted), partition(truth, predicted)
        self.partition += parts
        self.empty += not parts.true
        half = scores.matchings[0]
        return {
            "AP@0.5": half.average_precision,
            "AP@0.5:0.95": float(scores.average_precision.mean()),
            "F1@0.5": half.f1,
            "AJI": scores.aji,
            "panoptic quality": half.panoptic_quality,
            "split errors": parts.splits,
            "merge errors": parts.merges,
            "true objects": parts.true,
            "predicted objects": parts.predicted,
            "matched@0.5": half.tp,
        }

    def worst(self) -> list[WorstField]:
        """Return the fields with the lowest scores, worst first."""
        return [entry[2] for entry in sorted(self._worst, key=lambda e: e[:2], reverse=True)]

    def metrics(self) -> dict[str, float]:
        """Return the scores over all fields, by name."""
        pooled = sum(self.pixels, Confusion())
        best = self.counts.best_threshold()
        return {
            "foreground IoU": pooled.iou,
            "foreground IoU (mean per image)": float(np.mean([p.iou for p in self.pixels])),
            "Dice": pooled.dice,
            "Dice (mean per image)": float(np.mean([p.dice for p in self.pixels])),
            "precision": pooled.precision,
            "recall": pooled.recall,
            "calibration error (ECE)": self.counts.ece(),
            "Brier score (mean per image)": float(np.mean(self.briers)),
            "best foreground IoU at any threshold (chosen on these images)": (
                self.counts.confusion(best).iou
            ),
            "threshold of that best foreground IoU": best,
        } | self._object_metrics()

    def _object_metrics(self) -> dict[str, float]:
        pooled = self.instances.pooled(AP_THRESHOLDS[0])
        pooled_ap = self.instances.pooled_average_precision
        mean_ap = self.instances.mean_average_precision
        by_threshold = zip(AP_THRESHOLDS[1:], pooled_ap[1:], strict=True)
        return {
            "AP@0.5 (pooled)": pooled.average_precision,
            "AP@0.5 (mean per image)": float(mean_ap[0]),
            "AP@0.5:0.95 (pooled)": float(pooled_ap.mean()),
            "AP@0.5:0.95 (mean per image)": float(mean_ap.mean()),
            "F1@0.5 (pooled)": pooled.f1,
            "F1@0.5 (mean per image)": self.instances.mean("f1"),
            "object precision@0.5": pooled.precision,
            "object recall@0.5": pooled.recall,
            "AJI (pooled)": self.instances.pooled_aji,
            "AJI (mean per image)": self.instances.mean_aji,
            "panoptic quality (pooled)": pooled.panoptic_quality,
            "panoptic quality (mean per image)": self.instances.mean("panoptic_quality"),
            "split errors": float(self.partition.splits),
            "merge errors": float(self.partition.merges),
            "true objects": float(self.partition.true),
            "predicted objects": float(self.partition.predicted),
            "images without objects": float(self.empty),
        } | {f"AP@{t:g} (pooled)": float(v) for t, v in by_threshold}

    def curve(self) -> pd.DataFrame:
        """Return precision, recall, IoU and Dice of all pixels over the thresholds."""
        found = [(t, self.counts.confusion(t)) for t in CURVE]
        return pd.DataFrame(
            {
                "threshold": [t for t, _ in found],
                "precision": [c.precision for _, c in found],
                "recall": [c.recall for _, c in found],
                "foreground IoU": [c.iou for _, c in found],
                "Dice": [c.dice for _, c in found],
            }
        )
