"""Losses of virtual stainers, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["feature_matching", "lsgan_loss", "r1_penalty"]

Features = list[list[torch.Tensor]]


def lsgan_loss(features: Features, wanted: float) -> torch.Tensor:
    """Return the least-squares GAN loss, mean over the levels (Mao et al. 2017, arXiv:1611.04076).

    Parameters
    ----------
    features
        From :class:`~napari_cytosynth.models.discriminator.MultiScaleDiscriminator`.
    wanted
        1 for real, 0 for virtual.
    """
    terms = [(level[-1].float() - wanted).square().mean() for level in features]
    return torch.stack(terms).mean()


def feature_matching(virtual: Features, real: Features) -> torch.Tensor:
    """Return the mean absolute difference of the features, over all layers of all levels.

    The real image's features get no gradient, and the outputs of the discriminators are left out.
    """
    terms = [
        functional.l1_loss(found.float(), expected.detach().float())
        for virtual_level, real_level in zip(virtual, real, strict=True)
        for found, expected in zip(virtual_level[:-1], real_level[:-1], strict=True)
    ]
    return torch.stack(terms).mean()


def r1_penalty(verdicts: Sequence[torch.Tensor], stain: torch.Tensor) -> torch.Tensor:
    """Return the R1 penalty on real images (Mescheder et al. 2018, arXiv:1801.04406).

    Parameters
    ----------
    verdicts
        One tensor for each level, computed from `stain` in float32.
    stain
        (N, C, Y, X) real stain that requires a gradient.
    """
    total = torch.stack([verdict.float().mean((1, 2, 3)).sum() for verdict in verdicts]).sum()
    (gradient,) = torch.autograd.grad(total, stain, create_graph=True)
    return 0.5 * gradient.float().square().sum((1, 2, 3)).mean()
