"""Lightning callbacks that end a training: after a time, or when the caller asks for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress

    from .callbacks import Clock

__all__ = ["EndEarly", "ReportedProgress", "TimeLimit"]


class EndEarly(Exception):
    """Raised from a report of progress: the training ends now, with the best that it has."""


class TimeLimit(Callback):
    """End of training so that the last validation is over after a time.

    Parameters
    ----------
    minutes
        Of training and validation together, cumulative over interruptions.
    clock
        The callback that measures them.
    """

    def __init__(self, minutes: float, clock: Clock) -> None:
        self.seconds, self.clock = 60 * minutes, clock
        self.reserve = 0.0
        self._validating = 0.0

    def spent(self) -> float:
        """Return the part of the time for training that is over, from 0 to 1."""
        return min(1.0, self.clock.now() / max(self.seconds - self.reserve, 1e-3))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure how long a validation takes."""
        self._validating = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reserve as much for the last one."""
        self.reserve = max(self.reserve, time.monotonic() - self._validating)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once if the time was over before an interruption."""
        trainer.should_stop |= self.spent() >= 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Stop when the time is over; the trainer validates before it ends."""
        trainer.should_stop |= self.spent() >= 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"reserve": self.reserve}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what the validations of an interrupted run took."""
        self.reserve = state_dict["reserve"]


class ReportedProgress(Callback):
    """Progress of a training for its caller, who may raise Cancelled or :class:`EndEarly`.

    Parameters
    ----------
    report
        Called after every batch with the steps, or the seconds of a limited time, that are over.
    steps
        Optimiser steps of the whole run.
    limit
        The callback that ends it after a time, if one does. Default: None.
    """

    def __init__(self, report: Progress, steps: int, limit: TimeLimit | None = None) -> None:
        self.report, self.steps, self.limit = report, steps, limit

    def _tell(self, trainer: Trainer, message: str) -> None:
        done, total = trainer.global_step, self.steps
        if self.limit is not None:
            done, total = round(self.limit.clock.now()), round(self.limit.seconds)
        try:
            self.report(min(done, total), total, message)
        except EndEarly:
            trainer.should_stop = True  # it validates before it ends

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Report a batch."""
        self._tell(trainer, "training")

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Report an image that validates."""
        self._tell(trainer, "validation")
