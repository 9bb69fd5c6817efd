"""Sampling of a batch of images by each family of generative models, one seed per image."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from .denoiser import Denoiser, check_finite, number_format
from .request import KEPT_STATES
from .run import initial_noise
from .samplers import SamplingSteps

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.zoo.card import Inference

    from .request import ResolvedRequest
    from .run import GenerationRun

    Floats = NDArray[np.float32]
    States = NDArray[np.float16]
    Drawn = tuple[Floats, States | None]

__all__ = ["Decoding", "Diffusing"]

LATENT_PREVIEWS = 8  # of one batch: decoding takes about as long as a step


class Decoding:
    """β-VAEs and WGANs: latent vectors, decoded in one pass.

    Parameters
    ----------
    network
        Has ``decode`` and the length ``latent``; copied, never changed.
    inference
        The block of its card.
    device, precision
        Where and in which number format it runs.
    """

    def __init__(
        self, network: nn.Module, inference: Inference, device: torch.device, precision: str
    ) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        self._device, self._precision = device, precision

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of the latent vector of an image of a size (Y, X)."""
        return (int(self._network.latent),)  # type: ignore[arg-type]

    @torch.inference_mode()
    def draw(self, request: ResolvedRequest, run: GenerationRun, numbers: list[int]) -> Drawn:
        """Return the images (N, C, Y, X) of these numbers, and no states in between."""
        run.check_stopped()
        shape = self.latent_shape(request.size)
        latents = torch.stack([initial_noise(request, each, shape).latent for each in numbers])
        with number_format(self._device, self._precision):
            images = self._network.decode(latents.to(self._device))  # type: ignore[operator]
        run.report(numbers[-1] + 1, f"Image {numbers[-1] + 1} of {request.count}")
        return _to_unit(images), None


class Diffusing:
    """Diffusion models of pixels or latents: step by step from noise to image.

    Parameters
    ----------
    network, inference, device, precision
        As of :class:`~napari_cytosynth.inference.generation.denoiser.Denoiser`.
    """

    def __init__(
        self, network: nn.Module, inference: Inference, device: torch.device, precision: str
    ) -> None:
        self._denoiser = Denoiser(network, inference, device, precision)

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a field that covers both the size (Y, X) and the window."""
        down = self._denoiser.downsampling
        field = (max(-(-a // down), b) for a, b in zip(size, self._denoiser.window, strict=True))
        return (self._denoiser.channels, *field)

    @torch.inference_mode()
    def draw(self, request: ResolvedRequest, run: GenerationRun, numbers: list[int]) -> Drawn:
        """Return the images (N, C, Y, X) of these numbers, and the kept states (S, N, C, Y, X)."""
        denoiser = self._denoiser
        steps = SamplingSteps(request.sampler, request.steps, denoiser.schedule)
        count = len(steps.times)
        shape = self.latent_shape(request.size)
        begun = [initial_noise(request, number, shape) for number in numbers]
        generators = [each.generator for each in begun]
        field = torch.stack([each.latent for each in begun]).to(denoiser.device)
        between = run.check_cancelled if field.shape[-2:] != denoiser.window else None
        to_keep = _evenly_spaced(count + 1, KEPT_STATES) if request.keep_trajectory else set()
        to_show = _evenly_spaced(count, LATENT_PREVIEWS if denoiser.downsampling > 1 else count)
        states: list[States] = []
        for number, time in enumerate(steps.times):
            run.check_stopped()
            if number in to_keep:
                states.append(self._picture(field, request).astype(np.float16))
            clean = denoiser.guided(field, time, request, between=between)
            field = steps.step(number, clean, field, generators)
            if run.on_preview is not None and number in to_show:
                run.on_preview(number + 1, count, self._picture(clean, request), numbers)
            done = numbers[0] * request.steps + (number + 1) * len(numbers) * request.steps // count
            run.report(done, _message(number + 1, count, numbers, request.count))
        images = self._picture(field, request)
        if not request.keep_trajectory:
            return images, None
        return images, np.stack([*states, images.astype(np.float16)])

    def _picture(self, field: torch.Tensor, request: ResolvedRequest) -> Floats:
        """Decode a field to images (N, C, Y, X) in [0, 1], cut to size."""
        images = self._denoiser.decode(field)
        return _to_unit(images[..., : request.size[0], : request.size[1]])


def _to_unit(images: torch.Tensor) -> Floats:
    check_finite(images)
    result: Floats = ((images.float() + 1) / 2).clamp(0, 1).cpu().numpy()
    return result


def _evenly_spaced(count: int, most: int) -> set[int]:
    """Return at most `most` of the numbers below `count`, evenly spaced, with first and last."""
    return {round(place) for place in np.linspace(0, count - 1, min(count, most))}


def _message(step: int, steps: int, numbers: list[int], count: int) -> str:
    which = f"image {numbers[0] + 1}"
    if len(numbers) > 1:
        which = f"images {numbers[0] + 1}–{numbers[-1] + 1}"
    return f"Step {step} of {steps}, {which} of {count}"
