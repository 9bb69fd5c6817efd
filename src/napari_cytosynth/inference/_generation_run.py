"""What one run of a generator was asked for, where it starts, and how it tells of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.inference._steps import SamplerName
    from napari_cytosynth.progress import Progress

    Floats = NDArray[np.float32]
    OnPreview = Callable[[int, int, Floats, list[int]], None]
    OnImage = Callable[[int, Floats], None]

__all__ = ["Beginning", "Enough", "Order", "Run", "check_seed", "noise_from", "slerp"]

SEEDS = 2**63  # what torch's generators take


class Enough(Exception):
    """The user wants no more images than those that are finished."""


@dataclass(frozen=True)
class Beginning:
    """Where an image comes from: its first noise or latent, and what draws the rest."""

    latent: torch.Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Order:
    """A request with everything decided, the same for each of its images.

    Attributes
    ----------
    count
        Number of images.
    size
        (Y, X) of the images in px.
    begin
        Returns the beginning of an image, by its number.
    """

    count: int
    size: tuple[int, int]
    begin: Callable[[int], Beginning]
    label: int | None
    condition: tuple[float, ...] | None
    sampler: SamplerName
    steps: int
    guidance: float
    keep_trajectory: bool


class Run:
    """Counts progress, hands out images, and is asked between steps whether to go on.

    Parameters
    ----------
    total
        Number of images times steps.
    on_preview, on_image, enough, progress
        As in :meth:`~napari_cytosynth.inference.generation.Generator.run`.
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
        self._enough, self._report = enough, progress or silent
        self._done, self._total, self._message = 0, total, "Running the model"

    def expect(self, done: int, message: str) -> None:
        """Report how much is done, in images times steps."""
        self._done, self._message = done, message
        self._report(done, self._total, message)

    def breathe(self) -> None:
        """Let the user stop in the middle of a step."""
        self._report(self._done, self._total, self._message)
        self.poll()

    def poll(self) -> None:
        """Raise Enough if the user wants no more."""
        if self._enough is not None and self._enough():
            raise Enough

    def finish(self) -> None:
        """Report the end of a run that may have stopped early."""
        if self._done < self._total:
            self.expect(self._total, "Done")


def check_seed(seed: int) -> None:
    """Raise InputError unless a number can be a seed."""
    if not 0 <= seed < SEEDS:
        raise InputError(f"A seed must be a whole number from 0 on, not {seed}.")


def noise_from(seed: int, shape: Sequence[int]) -> Beginning:
    """Draw standard normal noise from a seed, on the CPU whatever the device."""
    generator = torch.Generator().manual_seed(seed)
    return Beginning(torch.randn(tuple(shape), generator=generator), generator)


def slerp(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """Go along the arc between two latents, on which the noise stays as strong as it was.

    Parameters
    ----------
    first, second
        Standard normal noise of the same shape.
    share
        0 for the first, 1 for the second.
    """
    if share in (0.0, 1.0):
        return second if share else first
    cosine = float((first * second).sum() / (first.norm() * second.norm()))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-4:  # the same or opposite: there is no arc
        return torch.lerp(first, second, share)
    before, after = math.sin((1 - share) * angle), math.sin(share * angle)
    return (before * first + after * second) / math.sin(angle)
