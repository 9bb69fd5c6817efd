"""Losses of segmentation networks, on logits in float32."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["bce_soft_iou", "distance_loss", "flow_loss", "soft_iou_loss"]

FLOW_SCALE = 5.0
"""Length of the vectors that a network learns to return, as in the original."""


def soft_iou_loss(logits: torch.Tensor, target: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """Return one minus the soft intersection over union (Jaccard, not Dice) over the batch.

    Rahman and Wang 2016, "Optimizing intersection-over-union in deep neural networks for
    image segmentation".

    Parameters
    ----------
    logits, target
        (N, Y, X); the target in [0, 1].
    smooth
        Added to both areas, so that an empty batch has a gradient. Default: 1.
    """
    probability = torch.sigmoid(logits.float())
    target = target.float()
    intersection = (probability * target).sum()
    union = (probability + target - probability * target).sum()
    return 1 - (intersection + smooth) / (union + smooth)


def bce_soft_iou(
    logits: torch.Tensor, target: torch.Tensor, pos_weight: float = 1.0
) -> torch.Tensor:
    """Return binary cross-entropy plus :func:`soft_iou_loss`, for one (N, Y, X) channel."""
    weight = torch.tensor(pos_weight, device=logits.device)
    bce = functional.binary_cross_entropy_with_logits(
        logits.float(), target.float(), pos_weight=weight
    )
    return bce + soft_iou_loss(logits, target)


def distance_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy with the soft target plus the absolute error, for a map in [0, 1]."""
    logits, target = logits.float(), target.float()
    bce = functional.binary_cross_entropy_with_logits(logits, target)
    return bce + functional.l1_loss(torch.sigmoid(logits), target)


def flow_loss(output: torch.Tensor, flows: torch.Tensor, scale: float = FLOW_SCALE) -> torch.Tensor:
    """Return half the mean squared error to flows that are multiplied by a factor.

    Stringer et al. 2021, "Cellpose: a generalist algorithm for cellular segmentation". Where
    the direction is uncertain, the expected vector is short.

    Parameters
    ----------
    output, flows
        (N, 2, Y, X); the truth holds unit vectors, 0 outside objects.
    scale
        The factor. Default: 5.
    """
    return functional.mse_loss(output.float(), scale * flows.float()) / 2
