"""A run of a generator: initial noise, progress and stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_cytosynth.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress

    from .request import ResolvedRequest

    Floats = NDArray[np.float32]
    OnPreview = Callable[[int, int, Floats, list[int]], None]
    OnImage = Callable[[int, Floats], None]

__all__ = ["GenerationRun", "InitialNoise", "StopRequested", "initial_noise", "slerp"]


class StopRequested(Exception):
    """Raised when the user stops a run and keeps the finished images."""


@dataclass(frozen=True)
class InitialNoise:
    """The first noise or latent vector of an image, and the generator of the noise that follows."""

    latent: torch.Tensor
    generator: torch.Generator


class GenerationRun:
    """Progress, callbacks and stopping of one run of a generator.

    Parameters
    ----------
    total
        Number of images times steps.
    on_preview, on_image, enough, progress
        As in :meth:`~napari_cytosynth.inference.generation.generator.Generator.run`.
    """

    def __init__(
        self,
        total: int,
        on_preview: OnPreview | None,
        on_image: OnImage | None,
        enough: Callable[[], bool] | None,
        progress: Progress | None,
    ) -> None:
        self.on_preview, self.on_image = on_preview, on_image
        self._enough, self._progress = enough, progress or silent
        self._done, self._total, self._message = 0, total, "Running the model"

    def report(self, done: int, message: str) -> None:
        """Report progress in images times steps."""
        self._done, self._message = done, message
        self._progress(done, self._total, message)

    def check_cancelled(self) -> None:
        """Raise Cancelled or StopRequested in the middle of a step."""
        self._progress(self._done, self._total, self._message)
        self.check_stopped()

    def check_stopped(self) -> None:
        """Raise StopRequested if the user has stopped the run."""
        if self._enough is not None and self._enough():
            raise StopRequested

    def finish(self) -> None:
        """Report the end of a run that may have stopped early."""
        if self._done < self._total:
            self.report(self._total, "Done")


def initial_noise(request: ResolvedRequest, number: int, shape: Sequence[int]) -> InitialNoise:
    """Draw the initial noise of an image by its number, from its seed and nothing else.

    Parameters
    ----------
    request
        Has the seeds, and the positions of a walk between them.
    number
        Of the image, from 0.
    shape
        Of the noise, without a batch axis.
    """
    if request.positions is None:
        return _noise_from(request.seeds[number], shape)
    first, last = (_noise_from(seed, shape) for seed in request.seeds)
    return InitialNoise(
        slerp(first.latent, last.latent, request.positions[number]), first.generator
    )


def _noise_from(seed: int, shape: Sequence[int]) -> InitialNoise:
    """Draw standard normal noise from a seed, on the CPU whatever the device."""
    generator = torch.Generator().manual_seed(seed)
    return InitialNoise(torch.randn(tuple(shape), generator=generator), generator)


def slerp(first: torch.Tensor, second: torch.Tensor, position: float) -> torch.Tensor:
    """Interpolate between two latents along an arc, on which the noise keeps its strength.

    Parameters
    ----------
    first, second
        Standard normal noise of the same shape.
    position
        0 for the first, 1 for the second.
    """
    if position in (0.0, 1.0):
        return second if position else first
    cosine = float((first * second).sum() / (first.norm() * second.norm()))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-4:  # the same or opposite: there is no arc
        return torch.lerp(first, second, position)
    before, after = math.sin((1 - position) * angle), math.sin(position * angle)
    return (before * first + after * second) / math.sin(angle)
