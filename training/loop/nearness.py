"""Lightning callbacks that keep a network near the weights that training begins with."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

__all__ = ["FrozenStatistics", "KeptNearStart"]


class KeptNearStart(Callback):
    """Penalty on the squared distance from the first weights, L2-SP.

    Li, Grandvalet and Davoine 2018, "Explicit inductive bias for transfer learning with
    convolutional networks".

    Parameters
    ----------
    weight
        Weight of the sum of squared differences in the loss.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.start: dict[str, torch.Tensor] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights, unless a checkpoint held those of the run's beginning."""
        trained = _trained(pl_module)
        if not self.start:
            self.start = {name: value.detach().clone() for name, value in trained.items()}
        self.start = {name: value.to(pl_module.device) for name, value in self.start.items()}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Add the gradient of the penalty."""
        with torch.no_grad():
            for name, value in _trained(pl_module).items():
                if value.grad is not None:
                    value.grad.add_(value - self.start[name], alpha=2 * self.weight)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs: the model of the start may be gone by then."""
        return {"start": self.start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the first weights of an interrupted run."""
        self.start = state_dict["start"]


def _trained(module: LightningModule) -> dict[str, torch.nn.Parameter]:
    return {name: value for name, value in module.named_parameters() if value.requires_grad}


class FrozenStatistics(Callback):
    """BatchNorm with the statistics that training begins with, in training too."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the layers to use their statistics, which they would renew while training."""
        for layer in pl_module.modules():
            if isinstance(layer, BatchNorm):
                layer.eval()
