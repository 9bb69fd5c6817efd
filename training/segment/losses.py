"""Losses of segmentation networks, on logits in float32."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = [
    "balanced_weight",
    "bce_soft_iou",
    "distance_loss",
    "flow_loss",
    "prior_shift",
    "self_training_loss",
    "soft_iou_loss",
]

FLOW_SCALE = 5.0
"""Length of the vectors that a network learns to return, as in the original."""


def _mean(values: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Return the weighted mean, 0 where nothing has a weight."""
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def balanced_weight(target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return weights of known pixels, of which foreground and background have half each.

    Parameters
    ----------
    target
        Of any shape, in [0, 1].
    known
        Of the same shape, 1 where the target is known, else 0.

    Returns
    -------
    Tensor
        Their sum is the number of known pixels. If all are of one class, it is `known`.
    """
    inside = known * (target > 0.5)
    outside = known - inside
    count, foreground, background = known.sum(), inside.sum(), outside.sum()
    if not (foreground and background):
        return known
    return count / 2 * (inside / foreground + outside / background)


def prior_shift(prevalence: float) -> float:
    """Return what is added to logits in a loss that gives foreground and background half each.

    Menon et al. 2021, "Long-tail learning via logit adjustment". Without it, a network would learn
    that half of all pixels are foreground.

    Parameters
    ----------
    prevalence
        Part of all pixels that is foreground.
    """
    return math.log((1 - prevalence) / prevalence)


def self_training_loss(
    logits: torch.Tensor, teacher: torch.Tensor, known: torch.Tensor, least: float = 0.9
) -> torch.Tensor:
    """Return the cross-entropy with what a teacher is certain of, where the truth is unknown.

    Tarvainen and Valpola 2017, "Mean teachers are better role models"; hard targets above a
    confidence as in Sohn et al. 2020, "FixMatch".

    Parameters
    ----------
    logits, teacher
        (N, Y, X) of the network and of its teacher.
    known
        (N, Y, X), 1 where the truth is known, else 0.
    least
        Probability of either class from which the teacher counts as certain. Default: 0.9.
    """
    probability = torch.sigmoid(teacher.float())
    certain = ((probability >= least) | (probability <= 1 - least)).float() * (1 - known)
    target = (probability > 0.5).float()
    losses = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return (losses * certain).sum() / certain.sum().clamp(min=1)


def soft_iou_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    smooth: float = 1.0,
) -> torch.Tensor:
    """Return one minus the soft intersection over union (Jaccard, not Dice) over the batch.

    Rahman and Wang 2016, "Optimizing intersection-over-union in deep neural networks for
    image segmentation".

    Parameters
    ----------
    logits, target
        (N, Y, X); the target in [0, 1].
    weight
        Of each pixel, 0 where the target is unknown. Default: 1 everywhere.
    smooth
        Added to both areas, so that an empty batch has a gradient. Default: 1.
    """
    probability = torch.sigmoid(logits.float())
    target = target.float()
    both, either = probability * target, probability + target - probability * target
    if weight is not None:
        both, either = both * weight, either * weight
    return 1 - (both.sum() + smooth) / (either.sum() + smooth)


def bce_soft_iou(
    logits: torch.Tensor,
    target: torch.Tensor,
    pos_weight: float = 1.0,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return binary cross-entropy plus :func:`soft_iou_loss`, for one (N, Y, X) channel."""
    positive = torch.tensor(pos_weight, device=logits.device)
    bce = functional.binary_cross_entropy_with_logits(
        logits.float(), target.float(), pos_weight=positive, reduction="none"
    )
    return _mean(bce, weight) + soft_iou_loss(logits, target, weight)


def distance_loss(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return cross-entropy with the soft target plus the absolute error, for a map in [0, 1]."""
    logits, target = logits.float(), target.float()
    bce = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return _mean(bce + (torch.sigmoid(logits) - target).abs(), weight)


def flow_loss(
    output: torch.Tensor,
    flows: torch.Tensor,
    scale: float = FLOW_SCALE,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return half the mean squared error to flows that are multiplied by a factor.

    Stringer et al. 2021, "Cellpose: a generalist algorithm for cellular segmentation". Where
    the direction is uncertain, the expected vector is short.

    Parameters
    ----------
    output, flows
        (N, 2, Y, X); the truth holds unit vectors, 0 outside objects.
    scale
        The factor. Default: 5.
    weight
        Of each component, 0 where it is unknown. Default: 1 everywhere.
    """
    return _mean((output.float() - scale * flows.float()) ** 2, weight) / 2
