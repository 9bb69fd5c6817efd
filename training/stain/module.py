"""Lightning modules of virtual stainers: the common base, and training by regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.metrics.pixel import pcc
from napari_cytosynth.training.loop.module import FieldModule
from napari_cytosynth.training.loop.ms_ssim import ms_ssim

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import StainRecipe

__all__ = ["RegressionModule", "StainModule"]

_PANEL = 256  # px, the middle of the first validation field


class StainModule(FieldModule):
    """Base of virtual stainers' training: losses, validation on whole fields, image panels.

    Parameters
    ----------
    recipe
        The validated recipe.
    total_steps
        Optimiser steps of the whole run, for the schedule.
    """

    recipe: StainRecipe

    def __init__(self, recipe: StainRecipe, total_steps: int) -> None:
        super().__init__(recipe, total_steps)
        if recipe.data.crop_size % self.stride:
            raise RecipeError(f"crop_size must be a multiple of {self.stride} for this network.")
        self._correlations: list[list[float]] = []

    def image_losses(self, virtual: torch.Tensor, real: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the weighted losses between virtual and real stain, by name."""
        weights, virtual = self.recipe.loss, virtual.float()
        losses = {}
        if weights.l1:
            losses["l1"] = weights.l1 * functional.l1_loss(virtual, real)
        if weights.ms_ssim:
            with torch.autocast(virtual.device.type, enabled=False):
                losses["ms_ssim"] = weights.ms_ssim * (1 - ms_ssim(virtual, real, stride=2))
        return losses

    def on_validation_epoch_start(self) -> None:
        """Discard the correlations of the last validation."""
        self._correlations = []

    def validation_step(self, index: int, batch_idx: int) -> None:
        """Validate on one whole field with the averaged weights."""
        field = self.validation_field(index)
        virtual = self.predict_field(field.image)
        real = torch.from_numpy(field.maps).to(self.device)
        losses = self.image_losses(virtual[None], real[None])
        losses = losses or {"l1": functional.l1_loss(virtual, real)}
        total = torch.stack(list(losses.values())).sum()
        self.log("validation/loss", total, batch_size=1, prog_bar=True, sync_dist=True)
        for name, value in losses.items():
            self.log(f"validation/{name}", value, batch_size=1)
        guess, truth = virtual.cpu().numpy(), field.maps
        self._correlations.append([pcc(*pair) for pair in zip(guess, truth, strict=True)])
        self.examine(torch.from_numpy(field.image).to(self.device), real, virtual)
        if int(index) == 0:
            self._show(field.image, truth, guess)

    def examine(self, image: torch.Tensor, real: torch.Tensor, virtual: torch.Tensor) -> None:
        """Log more about a validation field (K, Y, X) and its stains (C, Y, X); nothing here."""

    def on_validation_epoch_end(self) -> None:
        """Log the correlation of every stain, mean over the fields."""
        figures = np.mean(self._correlations, axis=0)
        for name, figure in zip(self.recipe.output_channels, figures, strict=True):
            self.log(f"validation/pcc_{name}", float(figure))
        self.log("validation/score", float(figures.mean()), prog_bar=True, sync_dist=True)

    def _show(self, image: NDArray[Any], real: NDArray[Any], virtual: NDArray[Any]) -> None:
        """Write input, real and virtual stains side by side to TensorBoard."""
        board = getattr(self.logger, "experiment", None)
        if board is None or not hasattr(board, "add_image"):
            return
        rows = [_row(image, image), _row(real, real), _row(virtual, real)]
        widest = max(row.shape[1] for row in rows)
        panels = np.concatenate([np.pad(row, [(0, 0), (0, widest - row.shape[1])]) for row in rows])
        step = self.current_epoch
        board.add_image("validation: input, real, virtual", panels, step, dataformats="HW")


class RegressionModule(StainModule):
    """Training of a virtual stainer by regression: L1 + MS-SSIM."""

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of one batch of crops."""
        image, real = batch
        losses = self.image_losses(self(image), real)
        total = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        self.log("train/loss", total, prog_bar=True, on_step=True, on_epoch=False)
        return total


def _row(planes: NDArray[Any], like: NDArray[Any]) -> NDArray[np.float32]:
    """Lay the middles of (C, Y, X) side by side, in the grey range of `like`."""
    top, left = (max(0, (size - _PANEL) // 2) for size in planes.shape[-2:])
    cut = np.s_[top : top + _PANEL, left : left + _PANEL]
    tiles = []
    for plane, scale in zip(planes, like, strict=True):
        low, high = np.percentile(scale, [1, 99.8])
        tiles.append(np.clip((plane[cut] - low) / max(high - low, 1e-6), 0, 1))
    return np.concatenate(tiles, axis=1).astype(np.float32)
