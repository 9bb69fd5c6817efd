"""The Lightning module that trains a segmentation network."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from napari_cytosynth.inference.predictor import activated
from napari_cytosynth.training.loop.module import FieldModule

from .kept_settings import start_threshold
from .losses import (
    balanced_weight,
    bce_soft_iou,
    distance_loss,
    flow_loss,
    prior_shift,
    self_training_loss,
)
from .thresholds import THRESHOLDS, Predictions, by_source, instance_score, iou_curve

if TYPE_CHECKING:
    from .recipe import SegmentRecipe, TargetRecipe

__all__ = ["SegmentationModule"]


class SegmentationModule(FieldModule):
    """Training of segmentation networks.

    The loss is BCE + soft IoU for masks, soft BCE + L1 for distances, and MSE for flows.

    Parameters
    ----------
    recipe
        The validated recipe.
    total_steps
        Optimiser steps of the whole run, for the schedule.
    """

    recipe: SegmentRecipe

    def __init__(self, recipe: SegmentRecipe, total_steps: int) -> None:
        super().__init__(recipe, total_steps)
        self.predictions: list[Predictions] = []

    def channel_losses(
        self, logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the weighted loss of every named output channel that is taught.

        Parameters
        ----------
        logits, target
            (N, C, Y, X).
        known
            (N, C, Y, X), 1 where the target is known, else 0; None (default) for everywhere.
        """
        losses: dict[str, torch.Tensor] = {}
        start = 0
        for recipe in self.recipe.data.targets:
            stop = start + recipe.channel_count
            own = slice(start, stop)
            weight = None if known is None else known[:, own]
            if recipe.taught:
                losses |= _target_losses(recipe, logits[:, own], target[:, own], weight)
            start = stop
        return losses

    def _total(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the loss of crops whose truth may hold what is known of it, too; log its parts."""
        partial = truth.shape[1] > logits.shape[1]
        target, known = truth.chunk(2, 1) if partial else (truth, None)
        losses = self.channel_losses(logits, target, known)
        if len(losses) > 1 and self.training:
            self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return torch.stack(list(losses.values())).sum()

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of one batch of crops."""
        image, truth = batch
        logits = self(image)
        total = self._total(logits, truth)
        if self.recipe.train.self_train and truth.shape[1] > logits.shape[1]:
            total = total + self.recipe.train.self_train * self._own(image, logits, truth)
        self.log("train/loss", total, prog_bar=True, on_step=True, on_epoch=False)
        return total

    def _own(self, image: torch.Tensor, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the first channel's loss against the averaged network where nothing is known."""
        assert self.average is not None
        x = image.contiguous(memory_format=torch.channels_last)
        teacher = self.average.predict(self.network, x)
        known = truth[:, logits.shape[1]]
        return self_training_loss(logits[:, 0], teacher[:, 0], known)

    def on_validation_epoch_start(self) -> None:
        """Discard the predictions of the last validation."""
        self.predictions = []

    def validation_step(self, index: int, batch_idx: int) -> None:
        """Validate on one whole image with the averaged weights."""
        field = self.validation_field(index)
        logits = self.predict_field(field.image)
        target = [torch.from_numpy(field.maps)]
        if field.known is not None:
            target.append(torch.from_numpy(field.known).float())
        total = self._total(logits[None], torch.cat(target)[None].to(self.device))
        self.log("validation/loss", total, batch_size=1, prog_bar=True, sync_dist=True)
        probability = activated(logits, self.recipe.activations).cpu().numpy()
        self.predictions.append(
            Predictions(field.name, probability, field.maps, field.truth, field.source, field.known)
        )

    def on_validation_epoch_end(self) -> None:
        """Log IoU, and for instances AP@0.5, over all validation images and those of a source."""
        curve = iou_curve(self.predictions, self.recipe.prevalence)
        self.log("validation/iou", max(curve.values()), prog_bar=True)
        self.log("validation/score", self._score(self.predictions), prog_bar=True, sync_dist=True)
        for source, own in by_source(self.predictions).items():
            # not averaged over processes: one may have no image of a source
            self.log(f"validation/score {source}", self._score(own))

    def _score(self, predictions: list[Predictions]) -> float:
        if self.recipe.instances:
            return instance_score(predictions, 0.5, None, flows=self.recipe.flow_channel)
        kept = self._kept_threshold
        thresholds = THRESHOLDS if kept is None else (kept,)
        return max(iou_curve(predictions, self.recipe.prevalence, thresholds).values())

    @cached_property
    def _kept_threshold(self) -> float | None:
        return start_threshold(self.recipe)


def _target_losses(
    recipe: TargetRecipe, logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Return the losses of the channels of one target."""
    of_mask = None if known is None else known[:, 0]
    if recipe.balance:
        of_mask = torch.ones_like(target[:, 0]) if of_mask is None else of_mask
        of_mask = balanced_weight(target[:, 0], of_mask)
    shift = prior_shift(recipe.prevalence) if recipe.balance else 0.0
    mask = bce_soft_iou(logits[:, 0] + shift, target[:, 0], recipe.pos_weight, of_mask)
    losses = {recipe.name: recipe.weight * mask}
    of_shape = None if known is None else known[:, 1:]
    if recipe.kind == "labels" and recipe.decoder == "flows":
        losses["flows"] = flow_loss(logits[:, 1:], target[:, 1:], weight=of_shape)
    elif recipe.kind == "labels":
        losses["distance"] = distance_loss(logits[:, 1:], target[:, 1:], of_shape)
    return losses
