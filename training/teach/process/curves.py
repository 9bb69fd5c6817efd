"""Lightning callback that sends the curves of a training."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer

from .messages import Learned, Scored

if TYPE_CHECKING:
    from collections.abc import Callable

    from .messages import Event

__all__ = ["Curves"]

_INTERVAL = 1.0  # s over which the loss is averaged
_SCORES = "validation/"


class Curves(Callback):
    """Sends the loss about once a second, and the scores of every validation.

    Parameters
    ----------
    send
        Called with every event.
    """

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send
        self._losses: list[float] = []
        self._last = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Add a loss."""
        if "train/loss" in trainer.callback_metrics:
            self._losses.append(float(trainer.callback_metrics["train/loss"]))
        now = time.monotonic()
        if self._losses and now - self._last >= _INTERVAL:
            self._last = now
            self._send(Learned(trainer.global_step, sum(self._losses) / len(self._losses)))
            self._losses = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the scores that are numbers."""
        found = {
            name.removeprefix(_SCORES): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(_SCORES)
        }
        scores = {name: value for name, value in found.items() if math.isfinite(value)}
        self._send(Scored(0 if trainer.sanity_checking else trainer.global_step, scores))
