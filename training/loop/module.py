"""Base classes of the Lightning modules: network, optimiser, validation on whole fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning import LightningModule

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.loading import load_model

from .optimisers import optimiser_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.crops import Field
    from napari_cytosynth.training.recipe.base import Recipe

    from .callbacks import ExponentialAverage

__all__ = ["FieldModule", "NetworkModule"]


def _initial_network(recipe: Recipe) -> torch.nn.Module:
    """Build the network, with fresh weights or those of the model to start from."""
    network = build_network(recipe.network.architecture, recipe.network_arguments)
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


class NetworkModule(LightningModule):
    """Lightning module of a recipe's network, with its optimiser.

    Parameters
    ----------
    recipe
        The validated recipe.
    total_steps
        Optimiser steps of the whole run, for the schedule.

    Raises
    ------
    RecipeError
        If the weights to start from belong to another network.

    Attributes
    ----------
    shares_draws
        Whether all processes draw the same random numbers, of which each takes its part.
    spent
        Returns the part of a limited time that is over, from 0 to 1; None (default): no limit.
    average
        Keeps the averaged weights of the run. None (default): there is none.
    """

    shares_draws = False
    spent: Callable[[], float] | None = None
    average: ExponentialAverage | None = None

    def __init__(self, recipe: Recipe, total_steps: int) -> None:
        super().__init__()
        torch.manual_seed(recipe.train.seed)
        self.recipe: Any = recipe
        self.total_steps = total_steps
        network = _initial_network(recipe)
        self.stride = int(getattr(network, "total_stride", 1))
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_train_epoch_start(self) -> None:
        """Set the epoch of the crops: a resumed run must see those of an unbroken one."""
        self.trainer.datamodule.dataset.epoch = self.current_epoch  # type: ignore[attr-defined]

    def drawn(self, draw: Callable[[int], torch.Tensor], count: int) -> torch.Tensor:
        """Draw random numbers for `count` images: the part of this process in a common drawing.

        Several processes then train as one would on a batch with the images of all.

        Parameters
        ----------
        draw
            Given a number of rows, returns as many.
        count
            Images in the batch of this process.
        """
        trainer = self._trainer
        if trainer is None or trainer.world_size == 1:
            return draw(count)
        return draw(count * trainer.world_size)[trainer.global_rank :: trainer.world_size]

    def configure_optimizers(self) -> Any:
        """Return optimiser and learning-rate schedule of the recipe."""
        return optimiser_config(
            self.network.parameters(), self.recipe.train, self.total_steps, self.spent
        )


class FieldModule(NetworkModule):
    """Lightning module that is trained on crops and validated on whole fields."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, K, Y, X) to the network's output (N, C, Y, X) in float32."""
        x = x.contiguous(memory_format=torch.channels_last)
        output: torch.Tensor = self.network(x)
        return output.float()

    def validation_field(self, index: int) -> Field:
        """Return one of the whole validation fields."""
        field: Field = self.trainer.datamodule.validation[int(index)]  # type: ignore[attr-defined]
        return field

    def predict_field(self, image: NDArray[np.float32]) -> torch.Tensor:
        """Run on a whole (K, Y, X) image, reflected up to a multiple of the stride.

        Returns
        -------
        Tensor
            (C, Y, X), on the module's device.
        """
        height, width = image.shape[-2:]
        pads = [(0, 0), (0, -height % self.stride), (0, -width % self.stride)]
        padded = np.pad(image, pads, mode="reflect")
        tensor = torch.from_numpy(padded)[None].to(self.device)
        output: torch.Tensor = self(tensor)[0, :, :height, :width]
        return output
