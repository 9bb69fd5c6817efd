"""Lightning callback that shows what a network finds in one window while it learns."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from lightning import Callback, LightningModule, Trainer

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment import segment

from .messages import Previewed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.loading import Model

__all__ = ["Preview"]

_LONGEST = 3.0  # s: what takes longer is shown once


class Preview(Callback):
    """Sends the probability of a window at every validation, as long as that is quick.

    Parameters
    ----------
    model
        The start model, whose card says how images are scaled.
    window
        (Y, X) pixels of an image.
    send
        Called with a :class:`~.messages.Previewed`.
    """

    def __init__(
        self, model: Model, window: NDArray[Any], send: Callable[[Previewed], None]
    ) -> None:
        self._model, self._window, self._send = model, window, send
        self._quick = True

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Segment the window; the network has its averaged weights at this moment."""
        if not self._quick:
            return
        begun = time.monotonic()
        network: Any = deepcopy(pl_module.network)
        network.float().cpu().eval()
        model = replace(self._model, network=network)
        found = segment(self._window, model=model, device="cpu", axes="YX", progress=silent)
        self._send(Previewed(np.round(255 * np.asarray(found.probability)).astype(np.uint8)))
        self._quick = time.monotonic() - begun < _LONGEST
