"""Lightning callbacks: averaged weights, reverting to the best, seeds, time and progress."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from torch.func import functional_call

from .checkpoints import save_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Clock", "EpochSeed", "ExponentialAverage", "ProgressBar", "RevertToBest"]

State = dict[str, torch.Tensor]


def _network(module: LightningModule) -> torch.nn.Module:
    return cast("torch.nn.Module", module.network)


def _copy(module: LightningModule) -> State:
    return {key: value.detach().clone() for key, value in _network(module).state_dict().items()}


class ProgressBar(TQDMProgressBar):
    """Lightning's progress bar, without the version of a logger."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return the figures that are shown behind the bar."""
        shown: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        return shown


class Clock(Callback):
    """Timer of the training, cumulative over interruptions."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begun: float | None = None

    def now(self) -> float:
        """Return the seconds up to this moment."""
        return self.seconds + (0.0 if self._begun is None else time.monotonic() - self._begun)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting."""
        self._begun = time.monotonic()

    def _count(self) -> None:
        self.seconds, self._begun = self.now(), time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the duration of the epoch."""
        self._count()

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the seconds of an interrupted run."""
        self.seconds = state_dict["seconds"]


class EpochSeed(Callback):
    """Seeding of the dropout of every epoch: a resumed run draws as an unbroken one would.

    Each of several processes draws its own numbers, except for modules that distribute one
    drawing (:attr:`~.module.NetworkModule.shares_draws`).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed at the first batch: before it, loaders draw too, and differently once resumed."""
        if batch_idx == 0:
            place: tuple[int, ...] = (self.seed, trainer.current_epoch)
            if trainer.global_rank and not getattr(pl_module, "shares_draws", False):
                place += (trainer.global_rank,)
            draws = np.random.default_rng(place)
            torch.manual_seed(int(draws.integers(2**63)))


class ExponentialAverage(Callback):
    """Running average of the network's weights and buffers.

    Parameters
    ----------
    decay
        Fraction of the old average that one optimiser step keeps; it grows to this value
        over the first steps.

    Notes
    -----
    BatchNorm statistics are averaged with the weights that they belong to; integer
    buffers are copied. Validation and export use the average.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: State = {}
        self._trained: State = {}
        self._step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the initial weights, unless a checkpoint held an average."""
        if not self.average:
            self.average = _copy(pl_module)
        device = pl_module.device
        self.average = {key: value.to(device) for key, value in self.average.items()}

    def predict(self, network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Return what a network with the averaged weights makes of a batch, as at inference."""
        modes = [(part, part.training) for part in network.modules()]
        network.eval()
        try:
            with torch.no_grad():
                output: torch.Tensor = functional_call(network, self.average, (image,))
        finally:
            for part, training in modes:
                part.training = training
        return output

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Update the average after every optimiser step."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        decay = min(self.decay, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for key, value in _network(pl_module).state_dict().items():
                if value.is_floating_point():
                    self.average[key].lerp_(value.to(self.average[key].dtype), 1 - decay)
                else:
                    self.average[key].copy_(value)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the average in; all processes take the first one's."""
        if trainer.world_size > 1:  # without SyncBatchNorm, statistics are of one's own part
            for value in self.average.values():
                shared = value.contiguous()
                torch.distributed.broadcast(shared, 0)
                value.copy_(shared)
        if self.average:
            self._trained = _copy(pl_module)
            _network(pl_module).load_state_dict(self.average)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the trained weights back."""
        if self._trained:
            _network(pl_module).load_state_dict(self._trained)
            self._trained = {}

    def is_finite(self) -> bool:
        """Return whether all averages are finite; those of a diverged training are not."""
        floating = (value for value in self.average.values() if value.is_floating_point())
        return all(bool(value.isfinite().all()) for value in floating)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"average": self.average, "step": self._step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the average of an interrupted run."""
        self.average, self._step = state_dict["average"], state_dict["step"]


class RevertToBest(Callback):
    """Writing of the best averaged weights, and reverting to them when validation stalls.

    Parameters
    ----------
    folder
        Folder of ``best.pt`` (averaged and trained weights, tensors only).
    average
        The callback that holds the averaged weights.
    monitor
        Name of the logged metric.
    maximise
        Whether larger is better.
    revert_after
        Validations without improvement before the weights go back to the best and the
        learning rate is halved; 0 (default): never.
    stop_after
        Validations without improvement before training stops; 0 (default): never.

    Attributes
    ----------
    epoch
        The best one, from 0; -1: none, or the weights that training began with.
    start_scores, best_scores
        Everything measured in the validation of the first weights, if there was one before
        training, and in the best one: name -> value.
    broken
        Whether the latest validation found values that are no numbers.
    """

    def __init__(
        self,
        folder: Path,
        average: ExponentialAverage,
        monitor: str,
        *,
        maximise: bool,
        revert_after: int = 0,
        stop_after: int = 0,
    ) -> None:
        self.path = folder / "best.pt"
        self.average, self.monitor, self.maximise = average, monitor, maximise
        self.revert_after, self.stop_after = revert_after, stop_after
        self.best: float | None = None
        self.epoch = -1
        self.waited = self.reverts = 0
        self.broken = False
        self.start_scores: dict[str, float] = {}
        self.best_scores: dict[str, float] = {}

    def _better(self, value: float) -> bool:
        return self.best is None or (value > self.best if self.maximise else value < self.best)

    @property
    def _exhausted(self) -> bool:
        return 0 < self.stop_after <= self.waited

    @property
    def _stalled(self) -> bool:
        return self.revert_after > 0 and self.waited % self.revert_after == 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once if the run had stopped before it was interrupted."""
        if self._exhausted:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare, write, revert or stop."""
        if self.monitor not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[self.monitor])
        first = trainer.sanity_checking  # the weights that training begins with
        scores = _validation_scores(trainer)
        if first:
            self.start_scores = scores
        self.broken = not (math.isfinite(value) and self.average.is_finite())
        if not self.broken and self._better(value):
            self.best, self.waited, self.best_scores = value, 0, scores
            self.epoch = -1 if first else trainer.current_epoch
            state = {"average": self.average.average, "trained": _copy(pl_module)}
            if trainer.is_global_zero:
                save_atomically(state, self.path)
            return
        self.waited += 1
        if self._exhausted:
            trainer.should_stop = True
        elif self.best is not None and self._stalled:
            self._revert(trainer, pl_module)

    def _revert(self, trainer: Trainer, pl_module: LightningModule) -> None:
        state = torch.load(self.path, weights_only=True, map_location=pl_module.device)
        _network(pl_module).load_state_dict(state["trained"])
        self.average.average = state["average"]
        self.reverts += 1
        for optimiser in trainer.optimizers:
            for group in optimiser.param_groups:
                group["lr"] *= 0.5
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            if hasattr(scheduler, "base_lrs"):
                scheduler.base_lrs = [0.5 * rate for rate in scheduler.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        keys = ("best", "epoch", "waited", "reverts", "start_scores", "best_scores")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counters of an interrupted run."""
        for key, value in state_dict.items():
            setattr(self, key, value)


def _validation_scores(trainer: Trainer) -> dict[str, float]:
    start = "validation/"
    return {
        name.removeprefix(start): float(value)
        for name, value in trainer.callback_metrics.items()
        if name.startswith(start)
    }
