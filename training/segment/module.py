"""The Lightning module that trains a segmentation network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_cytosynth.inference.predictor import activated
from napari_cytosynth.training.loop.module import FieldModule

from .losses import bce_soft_iou, distance_loss, flow_loss
from .thresholds import Predictions, by_source, instance_score, iou_curve

if TYPE_CHECKING:
    from .recipe import SegmentRecipe

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

    def channel_losses(self, logits: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the weighted loss of every named output channel."""
        losses: dict[str, torch.Tensor] = {}
        channel = 0
        for recipe in self.recipe.data.targets:
            mask = bce_soft_iou(logits[:, channel], target[:, channel], recipe.pos_weight)
            losses[recipe.name] = recipe.weight * mask
            channel += 1
            if recipe.kind == "labels" and recipe.decoder == "flows":
                losses["flows"] = flow_loss(
                    logits[:, channel : channel + 2], target[:, channel : channel + 2]
                )
                channel += 2
            elif recipe.kind == "labels":
                losses["distance"] = distance_loss(logits[:, channel], target[:, channel])
                channel += 1
        return losses

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of one batch of crops."""
        image, target = batch
        losses = self.channel_losses(self(image), target)
        total = torch.stack(list(losses.values())).sum()
        if len(losses) > 1:
            self.log_dict({f"train/{name}": value for name, value in losses.items()})
        self.log("train/loss", total, prog_bar=True, on_step=True, on_epoch=False)
        return total

    def on_validation_epoch_start(self) -> None:
        """Discard the predictions of the last validation."""
        self.predictions = []

    def validation_step(self, index: int, batch_idx: int) -> None:
        """Validate on one whole image with the averaged weights."""
        field = self.validation_field(index)
        logits = self.predict_field(field.image)
        target = torch.from_numpy(field.maps).to(self.device)
        losses = self.channel_losses(logits[None], target[None])
        total = torch.stack(list(losses.values())).sum()
        self.log("validation/loss", total, batch_size=1, prog_bar=True, sync_dist=True)
        probability = activated(logits, self.recipe.activations).cpu().numpy()
        self.predictions.append(
            Predictions(field.name, probability, field.maps, field.truth, field.source)
        )

    def on_validation_epoch_end(self) -> None:
        """Log IoU, and for instances AP@0.5, over all validation images and those of a source."""
        curve = iou_curve(self.predictions)
        self.log("validation/iou", max(curve.values()), prog_bar=True)
        self.log("validation/score", self._score(self.predictions), prog_bar=True, sync_dist=True)
        for source, own in by_source(self.predictions).items():
            # not averaged over processes: one may have no image of a source
            self.log(f"validation/score {source}", self._score(own))

    def _score(self, predictions: list[Predictions]) -> float:
        if self.recipe.instances:
            return instance_score(predictions, 0.5, None, flows=self.recipe.flow_channel)
        return max(iou_curve(predictions).values())
