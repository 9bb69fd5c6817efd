"""The Lightning module that trains a segmentation network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning import LightningModule

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.loading import load_model

from .losses import bce_soft_iou, distance_loss
from .optimisers import optimiser_config
from .selection import Predictions, instance_score, iou_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import Recipe
    from .stain_recipe import StainRecipe

    AnyRecipe = Recipe | StainRecipe

__all__ = ["SegmentationModule", "initial_network", "network_arguments", "run_whole"]


def network_arguments(recipe: AnyRecipe) -> dict[str, Any]:
    """Arguments of the network: those of the recipe, and the channels of the data."""
    inputs = len(getattr(recipe.data, "input_channels", ["grey"]))
    channels = {"in_channels": inputs, "out_channels": len(recipe.output_channels)}
    return {**recipe.network.arguments, **channels}


def initial_network(recipe: AnyRecipe) -> torch.nn.Module:
    """Build the network, with fresh weights or those that the recipe starts from.

    Raises
    ------
    RecipeError
        If the weights to start from belong to another network.
    """
    network = build_network(recipe.network.architecture, network_arguments(recipe))
    if recipe.network.start_from:
        source = load_model(recipe.network.start_from, "cpu")
        try:
            network.load_state_dict(source.network.state_dict())
        except RuntimeError as error:
            raise RecipeError(
                f"The weights of “{recipe.network.start_from}” do not fit the network of the "
                f"recipe: {source.card.architecture} with {source.card.arguments}."
            ) from error
    return network


def run_whole(module: LightningModule, image: NDArray[np.float32], stride: int) -> torch.Tensor:
    """Run a module on a whole (K, Y, X) image, reflected up to a multiple of the stride.

    Returns
    -------
    Tensor
        (C, Y, X), on the module's device.
    """
    height, width = image.shape[-2:]
    pads = [(0, 0), (0, -height % stride), (0, -width % stride)]
    padded = np.pad(image, pads, mode="reflect")
    tensor = torch.from_numpy(padded)[None].to(module.device)
    output: torch.Tensor = module(tensor)[0, :, :height, :width]
    return output


class SegmentationModule(LightningModule):
    """BCE + soft IoU for masks, a soft cross-entropy + L1 for distances.

    Parameters
    ----------
    recipe
        The validated recipe.
    total_steps
        Optimiser steps of the whole run, for the schedule.
    """

    def __init__(self, recipe: Recipe, total_steps: int) -> None:
        super().__init__()
        torch.manual_seed(recipe.train.seed)
        self.recipe, self.total_steps = recipe, total_steps
        network = initial_network(recipe)
        self.stride = int(getattr(network, "total_stride", 1))
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.predictions: list[Predictions] = []

    def channel_losses(self, logits: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Weighted loss of every named output channel."""
        losses: dict[str, torch.Tensor] = {}
        channel = 0
        for recipe in self.recipe.data.targets:
            mask = bce_soft_iou(logits[:, channel], target[:, channel], recipe.pos_weight)
            losses[recipe.name] = recipe.weight * mask
            channel += 1
            if recipe.kind == "labels":
                losses["distance"] = distance_loss(logits[:, channel], target[:, channel])
                channel += 1
        return losses

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 1, Y, X) to logits (N, C, Y, X) in float32."""
        x = x.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.network(x)
        return logits.float()

    def on_train_epoch_start(self) -> None:
        """Tell the crops which epoch it is: a resumed run must see those of an unbroken one."""
        self.trainer.datamodule.dataset.epoch = self.current_epoch  # type: ignore[attr-defined]

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """One batch of crops."""
        image, target = batch
        losses = self.channel_losses(self(image), target)
        total = torch.stack(list(losses.values())).sum()
        if len(losses) > 1:
            self.log_dict({f"train/{name}": value for name, value in losses.items()})
        self.log("train/loss", total, prog_bar=True, on_step=True, on_epoch=False)
        return total

    def _whole(self, image: NDArray[np.float32]) -> torch.Tensor:
        """Logits (C, Y, X) of a whole image, reflected up to a multiple of the stride."""
        return run_whole(self, image, self.stride)

    def on_validation_epoch_start(self) -> None:
        """Forget the predictions of the last validation."""
        self.predictions = []

    def validation_step(self, index: int, batch_idx: int) -> None:
        """Run one whole validation image with the averaged weights."""
        field = self.trainer.datamodule.validation[int(index)]  # type: ignore[attr-defined]
        logits = self._whole(field.image)
        target = torch.from_numpy(field.maps).to(self.device)
        losses = self.channel_losses(logits[None], target[None])
        total = torch.stack(list(losses.values())).sum()
        self.log("validation/loss", total, batch_size=1, prog_bar=True)
        probability = torch.sigmoid(logits).cpu().numpy()
        self.predictions.append(Predictions(field.name, probability, field.maps, field.truth))

    def on_validation_epoch_end(self) -> None:
        """Log IoU, and for instances AP@0.5, over all validation images."""
        curve = iou_curve(self.predictions)
        score = max(curve.values())
        self.log("validation/iou", score, prog_bar=True)
        if self.recipe.instances:
            score = instance_score(self.predictions, 0.5, None)
        self.log("validation/score", score, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Optimiser and learning-rate schedule of the recipe."""
        return optimiser_config(self.network.parameters(), self.recipe.train, self.total_steps)
