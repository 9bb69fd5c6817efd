"""Optimisers and learning-rate schedules of recipes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_cytosynth.training.recipe.base import TrainRecipe

__all__ = ["make_optimiser", "make_schedule", "optimiser_config"]


def make_optimiser(
    parameters: Iterable[torch.nn.Parameter],
    train: TrainRecipe,
    learning_rate: float | None = None,
    **extra: Any,
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; `learning_rate` and `extra` override the recipe."""
    kinds: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
    }
    momentum = {"momentum": 0.9, "nesterov": True} if train.optimiser == "sgd" else {}
    optimiser: torch.optim.Optimizer = kinds[train.optimiser](
        parameters,
        lr=learning_rate or train.learning_rate,
        weight_decay=train.weight_decay,
        **{**momentum, **extra},
    )
    return optimiser


def make_schedule(
    train: TrainRecipe, total_steps: int, spent: Callable[[], float] | None = None
) -> Callable[[int], float]:
    """Return the factor of the learning rate at each optimiser step.

    Parameters
    ----------
    train
        Training block of the recipe.
    total_steps
        Optimiser steps of the whole run.
    spent
        Returns the part of a limited time that is over, from 0 to 1. Default: None, no limit.
    """

    def rate(step: int) -> float:
        warm = min(1.0, (step + 1) / max(train.warmup_steps, 1))
        if train.scheduler == "constant":
            return warm
        done = min(step / max(total_steps, 1), 1.0)
        if spent is not None:
            done = max(done, spent())
        return warm * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * done)))

    return rate


def optimiser_config(
    parameters: Iterable[torch.nn.Parameter],
    train: TrainRecipe,
    total_steps: int,
    spent: Callable[[], float] | None = None,
) -> Any:
    """Return optimiser and schedule as of Lightning's ``configure_optimizers``."""
    optimiser = make_optimiser(parameters, train)
    if train.scheduler == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.5, patience=train.plateau_patience
        )
        config = {"scheduler": plateau, "monitor": "validation/loss"}
        return {
            "optimizer": optimiser,
            "lr_scheduler": {**config, "frequency": train.validate_every},
        }
    rate = make_schedule(train, total_steps, spent)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
