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
    ProbabilityCounts,
    brier,
    confusion,
    ece,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Kind", "SegmentTally", "WorstField"]

Kind = Literal["mask", "labels"]
CURVE = (0.01, 0.02, 0.05, *(k / 20 for k in range(2, 20)), 0.98, 0.99)


@dataclass(frozen=True, eq=False)
class WorstField:
    """A field with a low score, for a figure page; all planes are (Y, X)."""

    name: str
    score: float
    image: NDArray[Any]
    truth: NDArray[Any]
    probability: NDArray[np.float32]
    predicted: NDArray[Any]


class SegmentTally:
    """Counts of pixels and objects, accumulated over the images of an evaluation."""

    def __init__(self, kind: Kind, threshold: float, keep: int) -> None:
        self.kind, self.threshold, self.keep = kind, threshold, keep
        self.pixels: list[Confusion] = []
        self.briers: list[float] = []
        self.counts = ProbabilityCounts()
        self.instances = InstanceScores()
        self.rows: list[dict[str, Any]] = []
        self._worst: list[tuple[float, int, WorstField]] = []

    def add(
        self,
        name: str,
        image: NDArray[Any],
        truth: NDArray[Any],
        probability: NDArray[np.float32],
        predicted: NDArray[Any],
    ) -> None:
        """Add one field; all planes are (Y, X)."""
        pixels = confusion(probability >= self.threshold, truth)
        self.pixels.append(pixels)
        self.briers.append(brier(probability, truth))
        self.counts.add(probability, truth)
        row: dict[str, Any] = {
            "image": name,
            "foreground IoU": pixels.iou,
            "Dice": pixels.dice,
            "precision": pixels.precision,
            "recall": pixels.recall,
            "ECE": ece(probability, truth),
        }
        score = pixels.iou
        if self.kind == "labels":
            row |= self._objects(truth, predicted)
            score = row["AP@0.5"]
        self.rows.append(row)
        worst = WorstField(name, score, image, truth, probability, predicted)
        heapq.heappush(self._worst, (-score, len(self.rows), worst))
        if len(self._worst) > self.keep:
            heapq.heappop(self._worst)

    def _objects(self, truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, Any]:
        scores = self.instances.add(truth, predicted)
        half = scores.matchings[0]
        return {
            "AP@0.5": half.average_precision,
            "AP@0.5:0.95": float(scores.average_precision.mean()),
            "F1@0.5": half.f1,
            "AJI": scores.aji,
            "panoptic quality": half.panoptic_quality,
            "true objects": half.tp + half.fn,
            "predicted objects": half.tp + half.fp,
            "matched@0.5": half.tp,
        }

    def worst(self) -> list[WorstField]:
        """Return the fields with the lowest scores, worst first."""
        return [entry[2] for entry in sorted(self._worst, key=lambda e: e[:2], reverse=True)]

    def metrics(self) -> dict[str, float]:
        """Return the scores over all fields, by name."""
        pooled = sum(self.pixels, Confusion())
        best = self.counts.best_threshold()
        result = {
            "foreground IoU": pooled.iou,
            "foreground IoU, mean per image": float(np.mean([p.iou for p in self.pixels])),
            "Dice": pooled.dice,
            "Dice, mean per image": float(np.mean([p.dice for p in self.pixels])),
            "precision": pooled.precision,
            "recall": pooled.recall,
            "calibration error (ECE)": self.counts.ece(),
            "Brier score, mean per image": float(np.mean(self.briers)),
            "best foreground IoU at any threshold (chosen on these images)": (
                self.counts.confusion(best).iou
            ),
            "threshold of that best foreground IoU": best,
        }
        return result | self._object_metrics() if self.kind == "labels" else result

    def _object_metrics(self) -> dict[str, float]:
        pooled = self.instances.pooled(AP_THRESHOLDS[0])
        pooled_ap = self.instances.pooled_average_precision
        mean_ap = self.instances.mean_average_precision
        return {
            "AP@0.5": pooled.average_precision,
            "AP@0.5, mean per image": float(mean_ap[0]),
            "AP@0.5:0.95": float(pooled_ap.mean()),
            "AP@0.5:0.95, mean per image": float(mean_ap.mean()),
            "F1@0.5": pooled.f1,
            "F1@0.5, mean per image": self.instances.mean("f1"),
            "object precision@0.5": pooled.precision,
            "object recall@0.5": pooled.recall,
            "AJI": self.instances.pooled_aji,
            "AJI, mean per image": self.instances.mean_aji,
            "panoptic quality": pooled.panoptic_quality,
            "panoptic quality, mean per image": self.instances.mean("panoptic_quality"),
            "true objects": float(pooled.tp + pooled.fn),
            "predicted objects": float(pooled.tp + pooled.fp),
        } | {f"AP@{t:g}": float(v) for t, v in zip(AP_THRESHOLDS, pooled_ap, strict=True)}

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
