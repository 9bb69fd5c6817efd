"""The denoiser: a diffusion network as an estimator of the clean image in a noisy one."""

from __future__ import annotations

import copy
import math
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from napari_cytosynth.errors import not_finite
from napari_cytosynth.inference.device import exact_float32

from .noise_schedule import NoiseSchedule
from .request import generation_of
from .windows import fuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from napari_cytosynth.zoo.card import Inference

    from .request import ResolvedRequest

__all__ = ["Denoiser", "check_finite", "number_format"]


@contextmanager
def number_format(device: torch.device, precision: str) -> Iterator[None]:
    """Run networks in ``float32`` (without TF32) or ``bfloat16`` where that loses little."""
    with ExitStack() as stack:
        stack.enter_context(exact_float32(device))
        if precision == "bfloat16":
            stack.enter_context(torch.autocast(device.type, torch.bfloat16))
        yield


def check_finite(values: torch.Tensor) -> None:
    """Raise NotFiniteError if there is a NaN or an infinite value."""
    if not bool(values.isfinite().all()):
        raise not_finite()


class Denoiser:
    """A diffusion network of pixels or latents, its schedule, classes and conditions.

    Parameters
    ----------
    network
        Maps noisy (N, C, Y, X), (N,) time steps, (N,) classes and (N, K) conditions to its
        prediction; copied, never changed.
    inference
        The block of its card.
    device, precision
        Where and in which number format (``float32`` or ``bfloat16``) it runs.

    Attributes
    ----------
    schedule : NoiseSchedule
    downsampling : int
        Image pixels for each pixel of the denoised field, along an axis; 1 without latents.
    channels : int
        Of the denoised field.
    window : tuple of int
        Size (y, x) of the field that it was trained with.
    """

    def __init__(
        self, network: nn.Module, inference: Inference, device: torch.device, precision: str
    ) -> None:
        generation = generation_of(inference)
        assert inference.schedule is not None  # the card's validation sees to these
        assert inference.training_steps is not None
        assert inference.prediction_type is not None
        self.schedule = NoiseSchedule(
            inference.schedule,
            inference.training_steps,
            inference.prediction_type,
            zero_terminal_snr=generation.zero_terminal_snr,
        )
        self.device, self.precision = device, precision
        self.classes = len(inference.classes)
        self._latent = generation.family == "latent_diffusion"
        self._network = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        self.downsampling = 1
        self.channels = len(inference.output_channels)
        if self._latent:
            self.downsampling = int(network.autoencoder.downsampling)  # type: ignore[union-attr, arg-type]
            self.channels = int(network.autoencoder.latent_channels)  # type: ignore[union-attr, arg-type]
        height, width = inference.example_size
        self.window = (height // self.downsampling, width // self.downsampling)

    def guided(
        self,
        noisy: torch.Tensor,
        time: int,
        request: ResolvedRequest,
        *,
        between: Callable[[], None] | None = None,
    ) -> torch.Tensor:
        """Return the estimated clean images, with classifier-free guidance.

        Parameters
        ----------
        noisy
            (N, C, Y, X) at the same time step, not smaller than :attr:`window`; larger
            ones are processed in overlapping windows.
        time
            The time step.
        request
            Label and condition of all of them, and the guidance: 0 ignores both, 1 is as
            trained, more exaggerates (Ho and Salimans 2022, arXiv:2207.12598).
        between
            Called between windows; may raise to stop.
        """
        label, condition = request.label, request.condition
        conditional = label is not None or any(not math.isnan(each) for each in condition or ())
        strength = request.guidance if conditional else 0.0
        # Which halves a batch has: unconditional (False) and conditional (True).
        halves = [False] if strength == 0 else [True] if strength == 1 else [False, True]
        labels, conditions = self._conditioning(halves, len(noisy), label, condition)
        times = torch.full((len(halves) * len(noisy),), time, device=self.device)

        def predict(part: torch.Tensor) -> torch.Tensor:
            if between is not None:
                between()
            output = self.output(part.repeat(len(halves), 1, 1, 1), times, labels, conditions)
            if len(halves) == 1:
                return output
            without, conditioned = output.chunk(2)
            return without + strength * (conditioned - without)

        return self.clean(fuse(predict, noisy, self.window), noisy, times[: len(noisy)])

    def output(
        self,
        noisy: torch.Tensor,
        time: torch.Tensor,
        label: torch.Tensor | None = None,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the network's own prediction from (N, C, Y, X) at (N,) steps, in float32."""
        with number_format(self.device, self.precision):
            result: torch.Tensor = self._network(noisy, time, label, condition)
        check_finite(result)
        return result.float()

    def clean(
        self, output: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor, *, clip: bool = True
    ) -> torch.Tensor:
        """Convert a prediction to clean images; pixels clipped to [-1, 1]."""
        result = self.schedule.to_clean(output, noisy, time)
        return result.clamp(-1, 1) if clip and not self._latent else result

    def decode(self, field: torch.Tensor) -> torch.Tensor:
        """Decode the denoised field to images (N, K, Y, X), about [-1, 1]."""
        if not self._latent:
            return field
        with exact_float32(self.device):
            return fuse(self._network.decode, field, self.window, scale=self.downsampling)  # type: ignore[arg-type]

    def _conditioning(
        self,
        halves: list[bool],
        count: int,
        label: int | None,
        condition: tuple[float, ...] | None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return (N,) classes and (N, K) conditions of a batch's halves; None without."""
        labels = conditions = None
        if label is not None:
            rows = [label if half else self.classes for half in halves for _ in range(count)]
            labels = torch.tensor(rows, device=self.device)
        if condition:
            nothing = (math.nan,) * len(condition)
            filled = [condition if half else nothing for half in halves for _ in range(count)]
            conditions = torch.tensor(filled, dtype=torch.float32, device=self.device)
        return labels, conditions
