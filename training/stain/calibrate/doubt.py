"""Doubt of virtual objects: what tells those that are not there from those that are.

Fitted on objects of fields that neither the network nor the fit had seen, against the real
stain; judged on each field by a fit to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cytosynth.metrics import auroc, best_iou, confidence_curve, fit_confidence
from napari_cytosynth.zoo.card import ConfidenceTerm, ObjectDoubt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.metrics import ConfidenceCurve

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Labels = NDArray[np.integer]

__all__ = [
    "RIVALS",
    "CellDoubtScores",
    "ObjectTruth",
    "VirtualObjects",
    "fit_doubt",
    "fitted_doubts",
    "judge_doubt",
    "object_truth",
]

WRONG_BELOW = 0.5
"""Objects of a lower IoU with every real one are wrong."""
ABSENT_BELOW = 0.1
RIVALS: dict[str, tuple[str, ...]] = {
    "size": ("log_area",),
    "brightness": ("log_brightness",),
    "size and brightness": ("log_area", "log_brightness"),
    "unusual size and brightness": ("log_area", "unusual_size", "log_brightness"),
    "spread inside": ("spread_inside",),
}
"""What could tell the same without more than a look: each must be beaten."""
PENALTY = 0.02
"""Of the weights; a few thousand objects of a few fields are less than they seem."""
LIMITS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())


@dataclass(frozen=True, eq=False)
class ObjectTruth:
    """What the real stain says of each virtual object, by rising label.

    Attributes
    ----------
    iou
        Highest IoU with a real object.
    absent
        Whether it meets no real object (IoU below 0.1), and the real stain inside is no
        brighter than the background.
    deformed
        Whether its IoU lies between 0.1 and 0.5.
    """

    iou: Values
    absent: Flags
    deformed: Flags


def object_truth(labels: Labels, real_labels: Labels, real: NDArray[np.floating]) -> ObjectTruth:
    """Compare virtual objects with the real ones of the same field.

    Parameters
    ----------
    labels, real_labels
        (Y, X): virtual objects, numbered without gaps, and real ones.
    real
        (Y, X): the real stain.
    """
    iou = best_iou(real_labels, labels)
    background = real[real_labels == 0]
    middle = float(np.median(background)) if background.size else 0.0
    spread = 1.4826 * float(np.median(np.abs(background - middle))) if background.size else 0.0
    ids = np.arange(1, len(iou) + 1)
    inside = np.asarray(ndimage.mean(real, labels, ids), np.float64) if ids.size else np.empty(0)
    absent = (iou < ABSENT_BELOW) & (inside < middle + 2 * spread)
    return ObjectTruth(iou, absent, (iou >= ABSENT_BELOW) & (iou < WRONG_BELOW))


@dataclass(frozen=True, eq=False)
class VirtualObjects:
    """Objects of one virtual field, their numbers and their truth.

    Attributes
    ----------
    group
        Name of the field; focal planes of a field share it.
    features
        Name -> value of each object.
    truth
        What the real stain says.
    """

    group: str
    features: Mapping[str, Values]
    truth: ObjectTruth

    @property
    def wrong(self) -> Flags:
        """Whether each object is wrong."""
        return self.truth.iou < WRONG_BELOW


@dataclass(frozen=True, eq=False)
class CellDoubtScores:
    """How well the doubt tells wrong objects, each field by a fit to the others.

    Attributes
    ----------
    table
        One row for each field: number of objects, fraction that is wrong, absent and deformed,
        AUROC of the doubt, of its rivals, and of the doubt for absent and deformed alone.
    doubt, wrong
        Of all objects.
    """

    table: pd.DataFrame
    doubt: Values
    wrong: Flags

    @property
    def curve(self) -> ConfidenceCurve:
        """Stated and found fraction of wrong objects."""
        return confidence_curve(self.doubt, self.wrong)

    def mean_auroc(self, name: str = "doubt") -> float:
        """Return the mean AUROC over the fields."""
        return float(self.table[f"AUROC of {name}"].mean())

    def interval(self, name: str = "doubt", rival: str | None = None) -> tuple[float, float]:
        """Return the 95 % interval of a mean AUROC, or of its gain over a rival's, by fields."""
        values = self.table[f"AUROC of {name}"]
        if rival is not None:
            values = values - self.table[f"AUROC of {rival}"]
        known = values.dropna().to_numpy()
        rng = np.random.default_rng(0)
        means = [rng.choice(known, known.size).mean() for _ in range(2000)]
        low, high = np.percentile(means, [2.5, 97.5])
        return float(low), float(high)

    def hidden(self) -> list[tuple[float, float, float]]:
        """Return limit, fraction of objects above it, and fraction of wrong ones above it."""
        wrong = max(int(self.wrong.sum()), 1)
        rows = []
        for limit in LIMITS:
            above = self.doubt > limit
            share = float((above & self.wrong).sum()) / wrong
            rows.append((limit, round(float(above.mean()), 4), round(share, 4)))
        return rows

    def risk_coverage(self, steps: int = 20) -> pd.DataFrame:
        """Return the fraction of wrong objects among the least doubtful ones, by their share."""
        order = np.argsort(self.doubt, kind="stable")
        wrong = np.cumsum(self.wrong[order]) / np.arange(1, len(order) + 1)
        shares = np.linspace(1 / steps, 1, steps)
        places = np.maximum((shares * len(order)).astype(int), 1) - 1
        return pd.DataFrame({"share kept": shares, "wrong among them": wrong[places]})


def _columns(objects: Sequence[VirtualObjects], names: Sequence[str]) -> dict[str, Values]:
    return {
        name: np.nan_to_num(np.concatenate([one.features[name] for one in objects]))
        for name in names
    }


def fitted_doubts(
    others: Sequence[VirtualObjects], own: Sequence[VirtualObjects], names: Sequence[str]
) -> Values:
    """Return the probability that objects are wrong, by a fit to others."""
    wrong = np.concatenate([one.wrong for one in others])
    fit = fit_confidence(_columns(others, names), wrong, PENALTY)
    return fit(_columns(own, names))


def judge_doubt(objects: Sequence[VirtualObjects], names: Sequence[str]) -> CellDoubtScores:
    """Fit the doubt on all fields but one and judge it on that one, each field in turn.

    Parameters
    ----------
    objects
        Of at least two groups.
    names
        The numbers that the doubt is made of.
    """
    rows, doubts, wrongs = [], [], []
    for group in dict.fromkeys(one.group for one in objects):
        own = [one for one in objects if one.group == group]
        others = [one for one in objects if one.group != group]
        wrong = np.concatenate([one.wrong for one in own])
        doubt = fitted_doubts(others, own, names)
        kinds = {
            kind: np.concatenate([getattr(one.truth, kind) for one in own])
            for kind in ("absent", "deformed")
        }
        row: dict[str, float | str] = {
            "field": group,
            "objects": len(wrong),
            "wrong": float(wrong.mean()),
            **{kind: float(flags.mean()) for kind, flags in kinds.items()},
            "AUROC of doubt": auroc(doubt, wrong),
        }
        for kind, flags in kinds.items():
            known = flags | ~wrong
            row[f"AUROC of doubt, {kind}"] = auroc(doubt[known], flags[known])
        row |= {
            f"AUROC of {name}": auroc(fitted_doubts(others, own, used), wrong)
            for name, used in RIVALS.items()
        }
        rows.append(row)
        doubts.append(doubt)
        wrongs.append(wrong)
    return CellDoubtScores(pd.DataFrame(rows), np.concatenate(doubts), np.concatenate(wrongs))


def fit_doubt(
    objects: Sequence[VirtualObjects],
    names: Sequence[str],
    stain: str,
    segmenter: str,
    scores: CellDoubtScores | None = None,
) -> ObjectDoubt:
    """Fit the doubt on all fields, as a block for a model's card.

    Parameters
    ----------
    objects
        Objects of left-out fields.
    names
        The numbers that the doubt is made of.
    stain, segmenter
        Name of the stain, and of the model that found the objects.
    scores
        As :func:`judge_doubt` returns them, for what hiding does. Default: unknown.
    """
    wrong = np.concatenate([one.wrong for one in objects])
    fit = fit_confidence(_columns(objects, names), wrong, PENALTY)
    values = zip(fit.names, fit.weights, fit.mean, fit.scale, strict=True)
    terms = {
        name: ConfidenceTerm(weight=round(weight, 5), mean=round(mean, 6), std=round(scale, 6))
        for name, weight, mean, scale in values
        if scale > 0
    }
    return ObjectDoubt(
        stain=stain,
        segmenter=segmenter,
        intercept=round(fit.intercept, 5),
        terms=dict(terms),
        wrong=round(float(wrong.mean()), 4),
        count=len(wrong),
        fields=len({one.group for one in objects}),
        hidden=scores.hidden() if scores else [],
    )
