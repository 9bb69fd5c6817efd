"""A grid of generated images in TensorBoard, from the same seeds at every validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from lightning import Callback, LightningModule, Trainer

from napari_cytosynth.inference.generation.generator import Generator, SamplingOptions, resolve

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import Inference

__all__ = ["SampleGrid"]

_COUNT, _STEPS = 8, 20


class SampleGrid(Callback):
    """Callback that generates eight images with the averaged weights, one row for each channel.

    Parameters
    ----------
    inference
        Block ``inference`` of the card: how the network is sampled.
    every
        Validations between two grids. Default: 5.
    """

    def __init__(self, inference: Inference, every: int = 5) -> None:
        self.inference, self.every = inference, every
        self._seen = 0

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the grid to TensorBoard."""
        self._seen += 1
        board: Any = getattr(trainer.logger, "experiment", None)
        due = trainer.is_global_zero and not (self._seen - 1) % self.every
        if not due or not hasattr(board, "add_image"):
            return
        network: Any = pl_module.network
        generator = Generator(network, self.inference, device=str(pl_module.device))
        steps = min(_STEPS, self.inference.training_steps or _STEPS)
        options = SamplingOptions(count=_COUNT, seed=0, steps=steps)
        made = generator.run(resolve(options, self.inference))
        # a row for each channel, the images side by side
        rows = made.images.transpose(1, 2, 0, 3)
        grid = rows.reshape(rows.shape[0] * rows.shape[1], -1)
        board.add_image(
            "generated", grid.astype(np.float32), pl_module.current_epoch, dataformats="HW"
        )
