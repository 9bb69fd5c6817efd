"""Likelihood of images under a diffusion model, in bits per dimension.

The variational bound of Ho et al. 2020, arXiv:2006.11239, over all training steps: what is
left of the image in the last noise, the distance of each reverse step from the best one, and the
probability of each of 256 intensities in the end. Lower is better; 8 bits is what it takes
to store the pixels as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_cytosynth.errors import InputError, ModelError, OutOfMemoryError
from napari_cytosynth.inference.device import choose_device, unless_out_of_memory
from napari_cytosynth.progress import silent

from .denoiser import Denoiser
from .request import generation_of
from .samplers import time_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Inference

__all__ = ["Likelihood", "bits_per_dim"]

_HALF_LEVEL = 1 / 255  # of 256 levels in [-1, 1]
_GOLDEN = (5**0.5 - 1) / 2  # its multiples, without what is before the point, spread evenly


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The bound on the negative log likelihood of images.

    Attributes
    ----------
    prior, steps, decoder
        float64 (N,), bits per dimension of each image: of the last noise, of all steps but
        the first, and of the first step, which ends at the intensities.
    evaluated
        Number of steps evaluated for each image.
    """

    prior: NDArray[np.float64]
    steps: NDArray[np.float64]
    decoder: NDArray[np.float64]
    evaluated: int

    @property
    def bits(self) -> NDArray[np.float64]:
        """Bits per dimension of each image: an unbiased estimate where steps were drawn."""
        return self.prior + self.steps + self.decoder

    @property
    def mean(self) -> float:
        """Mean over the images."""
        return float(self.bits.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over the images; NaN for a single one."""
        count = len(self.bits)
        return float(self.bits.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan


def bits_per_dim(
    network: nn.Module,
    inference: Inference,
    images: Any,
    *,
    labels: Any = None,
    conditions: Any = None,
    times: int | None = None,
    seed: int = 0,
    clip: bool = True,
    batch_size: int = 16,
    device: str = "auto",
    progress: Progress | None = None,
) -> Likelihood:
    """Bound the negative log likelihood of images under a diffusion model of pixels.

    Parameters
    ----------
    network, inference
        The network and the block of its card.
    images
        Array-like (N, C, Y, X) in [-1, 1], the mask channel included; rounded to 256 levels.
    labels
        (N,) classes, or None (default) for no class.
    conditions
        (N, K) standardised conditions, NaN where there is none; or None (default).
    times
        Number of steps evaluated for each image: one drawn from each of as many ranges,
        which are evenly spaced in log signal-to-noise ratio. The estimate stays unbiased.
        None (default) for all of them.
    seed
        Of the noise and of the steps drawn; image i has its own, ``seed + i``. Default: 0.
    clip
        Clip the estimated clean image to [-1, 1], as in sampling. Default: True.
    batch_size
        Images at a time; fewer once the memory does not suffice. Default: 16.
    device
        As of :class:`~napari_cytosynth.inference.generation.generator.Generator`.
    progress
        Called between steps; may raise :class:`~napari_cytosynth.errors.Cancelled`.

    Returns
    -------
    Likelihood

    Raises
    ------
    ModelError
        If the model has no likelihood of pixels: a VAE, WGAN, latent diffusion or flow.
    InputError
        If the images do not fit the model, or `times` is impossible.
    OutOfMemoryError
        If memory does not suffice even for a single image.

    Notes
    -----
    The variance of each step is the posterior's ("fixed small"); that of the first step,
    whose posterior is a point, is the second one's, as in Nichol and Dhariwal 2021,
    arXiv:2102.09672.
    """
    if generation_of(inference).family != "diffusion":
        raise ModelError(
            "Only diffusion models of pixels have a likelihood in bits per dimension; VAEs, "
            "WGANs and latent diffusion do not."
        )
    if inference.prediction_type == "flow":
        raise ModelError("The likelihood of a rectified flow, in bits per dimension, is not known.")
    denoiser = Denoiser(network, inference, choose_device(device), "float32")
    bound = _Bound(denoiser, times, seed, clip)
    levels = _levels(images, inference)
    known = (_rows(labels, torch.long), _rows(conditions, torch.float32))
    for rows in known:
        if rows is not None and len(rows) != len(levels):
            raise InputError("There must be one class, and one set of properties, for each image.")
    report = progress or silent
    parts: list[torch.Tensor] = []
    done, size = 0, max(batch_size, 1)
    while done < len(levels):
        chosen = slice(done, done + size)
        some = [None if rows is None else rows[chosen] for rows in known]
        numbers = range(len(levels))[chosen]
        task = partial(bound.terms, levels[chosen], some[0], some[1], numbers, report)
        part = unless_out_of_memory(task)
        if part is None:
            if size == 1:
                raise OutOfMemoryError(
                    "There is not enough memory for even a single image. Close other programs."
                )
            size = max(min(size, len(numbers)) // 2, 1)
            continue
        parts.append(part)
        done += len(numbers)
        report(done, len(levels), f"Image {done} of {len(levels)}")
    nats = torch.cat(parts, dim=1) / (math.log(2) * levels[0].numel())
    prior, steps, decoder = nats.numpy()
    return Likelihood(prior, steps, decoder, bound.evaluated)


class _Bound:
    """The terms of the bound, in nats, for a batch of images."""

    def __init__(self, denoiser: Denoiser, times: int | None, seed: int, clip: bool) -> None:
        self._denoiser, self._seed, self._clip = denoiser, seed, clip
        schedule = denoiser.schedule
        most = schedule.steps - 1
        if times is not None and not 1 <= times <= most:
            raise InputError(f"The number of steps must lie between 1 and {most}, not be {times}.")
        # Falling ends of the ranges (low, high] that the steps 1 to T - 1 are in.
        self._edges = time_steps(schedule, (times or most) + 1, "ddpm")
        self._offsets = np.random.default_rng(seed).random(len(self._edges) - 1)
        self.evaluated = len(self._edges)  # one of each range, and the first step
        alpha_bar = (1 - schedule.betas.double()).cumprod(0)
        self._last_alpha_bar = float(alpha_bar[-1])
        ratio = alpha_bar / (1 - alpha_bar)
        self._weight = torch.cat([ratio.new_zeros(1), 0.5 * (ratio[:-1] - ratio[1:])])
        variance = schedule.betas.double()[1] * (1 - alpha_bar[0]) / (1 - alpha_bar[1])
        self._first_sigma = float(variance.sqrt())

    @torch.inference_mode()
    def terms(
        self,
        images: torch.Tensor,
        label: torch.Tensor | None,
        condition: torch.Tensor | None,
        numbers: Sequence[int],
        report: Progress,
    ) -> torch.Tensor:
        """Return (3, N) float64: prior, steps and decoder."""
        generators = [torch.Generator().manual_seed(self._seed + number) for number in numbers]
        total = torch.zeros(len(images), dtype=torch.float64)
        ranges = zip(self._edges[1:], self._edges[:-1], self._offsets, strict=True)
        for low, high, offset in ranges:
            # Each image's step is anywhere in the range, those of many images all over it.
            places = (offset + _GOLDEN * np.asarray(numbers)) % 1
            time = torch.from_numpy(low + 1 + np.floor(places * (high - low)).astype(np.int64))
            seen = self._clean_images(images, time, label, condition, generators)
            error = (seen - images).double().square().sum(dim=(1, 2, 3))
            total += (high - low) * self._weight[time] * error
            report(0, 1, f"Step {high} of {self._edges[0]}")
        first = torch.zeros(len(images), dtype=torch.long)
        seen = self._clean_images(images, first, label, condition, generators)
        decoder = -_log_probability(images.double(), seen.double(), self._first_sigma)
        return torch.stack([self._prior(images), total, decoder.sum(dim=(1, 2, 3))])

    def _clean_images(
        self,
        images: torch.Tensor,
        time: torch.Tensor,
        label: torch.Tensor | None,
        condition: torch.Tensor | None,
        generators: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """Estimate the clean images from noisy ones at (N,) steps; return them on the CPU."""
        device = self._denoiser.device
        noise = torch.stack([torch.randn(images.shape[1:], generator=each) for each in generators])
        noisy = self._denoiser.schedule.noised(images, noise, time).to(device)
        known = [None if rows is None else rows.to(device) for rows in (label, condition)]
        time = time.to(device)
        output = self._denoiser.output(noisy, time, known[0], known[1])
        return self._denoiser.clean(output, noisy, time, clip=self._clip).cpu()

    def _prior(self, images: torch.Tensor) -> torch.Tensor:
        """Return the prior term: the divergence of the last noise from pure noise."""
        variance = 1 - self._last_alpha_bar
        constant = variance - 1 - math.log(variance)
        squares = self._last_alpha_bar * images.double().square()
        return 0.5 * (constant + squares).sum(dim=(1, 2, 3))


def _log_probability(levels: torch.Tensor, mean: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the log probability of each of 256 levels under a normal distribution.

    The lowest and the highest level hold all that is beyond them.
    """
    above = (levels + _HALF_LEVEL - mean) / sigma
    below = (levels - _HALF_LEVEL - mean) / sigma
    above = torch.where(levels > 1 - _HALF_LEVEL, math.inf, above)
    below = torch.where(levels < -1 + _HALF_LEVEL, -math.inf, below)
    flip = below > 0  # the tail on the left keeps its digits
    high, low = torch.where(flip, -below, above), torch.where(flip, -above, below)
    log_high, log_low = (torch.special.log_ndtr(each) for each in (high, low))
    result: torch.Tensor = log_high + torch.log(-torch.expm1(log_low - log_high))
    return result


def _levels(images: Any, inference: Inference) -> torch.Tensor:
    """Return images as float32 (N, C, Y, X), rounded to 256 levels in [-1, 1]."""
    result = torch.as_tensor(np.asarray(images, np.float32))
    channels, stride = len(inference.output_channels), inference.total_stride
    if result.ndim != 4 or len(result) == 0 or result.shape[1] != channels:
        raise InputError(
            f"The images need the axes (N, C, Y, X) with {channels} channels, not the shape "
            f"{tuple(result.shape)}."
        )
    if any(size % stride or size == 0 for size in result.shape[2:]):
        raise InputError(f"The images' sides must be multiples of {stride} pixels.")
    if not bool(result.isfinite().all()) or float(result.abs().max()) > 1 + _HALF_LEVEL:
        raise InputError("The images must lie between -1 and 1, without NaN.")
    return ((result + 1) / (2 * _HALF_LEVEL)).round() * 2 * _HALF_LEVEL - 1


def _rows(values: Any, dtype: torch.dtype) -> torch.Tensor | None:
    return None if values is None else torch.as_tensor(np.asarray(values)).to(dtype)
