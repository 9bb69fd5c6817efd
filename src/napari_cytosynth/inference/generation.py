"""Drawing images from a generative model: one seed for each image, and nothing else.

Diffusion models walk from noise to image by the samplers of `diffusers`; images larger than
those of the training are seen through overlapping windows (Bar-Tal et al. 2023,
"MultiDiffusion", arXiv:2302.08113). β-VAEs and WGANs decode a latent vector in one pass.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_cytosynth.errors import InputError, ModelError, OutOfMemoryError
from napari_cytosynth.inference._denoiser import Denoiser, generation_of
from napari_cytosynth.inference._generation_run import (
    Beginning,
    Enough,
    Order,
    Run,
    check_seed,
    noise_from,
    slerp,
)
from napari_cytosynth.inference._steps import SAMPLERS, Steps
from napari_cytosynth.inference.device import (
    choose_device,
    exact_float32,
    free_memory,
    unless_out_of_memory,
)
from napari_cytosynth.inference.precision import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.inference._generation_run import OnImage, OnPreview
    from napari_cytosynth.inference._steps import SamplerName
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Inference

    Floats = NDArray[np.float32]

__all__ = ["SAMPLERS", "Generated", "Generator", "Request"]

KEPT_STATES = 50
LATENT_PREVIEWS = 8  # of one batch: decoding takes about as long as a step
# Images of 64 x 64 px at a time; more are no faster and delay a cancellation.
BATCH_PIXELS = {"cpu": 8 * 64 * 64}
BATCH_PIXELS_ELSEWHERE = 64 * 64 * 64
BYTES_PER_PIXEL = 16 * 2**10  # of a large denoiser's activations, in float32


@dataclass(frozen=True, eq=False)
class Request:
    """What to draw.

    Attributes
    ----------
    count
        Number of images.
    seeds
        One of each image.
    size
        (Y, X) in px; None for the size of the training images, the only one of β-VAEs and
        WGANs.
    label
        Number of the class, from 0; None for no wish.
    condition
        The conditions of the card, standardised: (value - mean) / std, NaN for no wish;
        None for no wish at all.
    sampler, steps, guidance
        Of diffusion models; None for what the card says. Guidance 0 is unconditional, 1 as
        trained, more exaggerates class and conditions.
    keep_trajectory
        Keep the states between noise and image, about 50 at most.
    batch_size
        Images that run at the same time; None chooses by the memory. It changes no image.
    """

    count: int
    seeds: tuple[int, ...]
    size: tuple[int, int] | None = None
    label: int | None = None
    condition: tuple[float, ...] | None = None
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    keep_trajectory: bool = False
    batch_size: int | None = None


@dataclass(frozen=True, eq=False)
class Generated:
    """Images that a model made up.

    Attributes
    ----------
    images
        float32 (N, C, Y, X) in [0, 1], the channels as the card names them; a mask channel
        is above 0.5 inside. Fewer than asked for if the run was stopped.
    seeds
        One of each image; of a walk, those of its two ends.
    trajectory
        float16 (S + 1, N, C, Y, X) in [0, 1] from noise to image, or None.
    messages
        What the user should be told.
    positions
        Of a walk, how far each image is from the first end (0) to the second (1).
    """

    images: Floats
    seeds: tuple[int, ...]
    trajectory: NDArray[np.float16] | None
    messages: tuple[str, ...]
    positions: tuple[float, ...] | None = None


class Generator:
    """A generative model, made ready to draw images from seeds.

    An image depends on its seed alone, not on count, batch or order (on the same device,
    to within float32's rounding): what is random is drawn for each image by itself, on the
    CPU.

    Parameters
    ----------
    network
        The network that the card describes; copied, never changed.
    inference
        The block of its card.
    device
        ``auto`` (CUDA, else MPS, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    precision
        ``float32``, ``bfloat16`` (faster on some machines, but a seed then gives a slightly
        different image) or ``auto``: what the environment variable ``CYTOSYNTH_PRECISION``
        says, else float32, so that a seed gives the same image on every computer.

    Attributes
    ----------
    device : torch.device
    precision : str
    messages : list of str
        What the user should be told, for example that memory ran out.

    Raises
    ------
    InputError
        If device or precision are impossible.
    ModelError
        If the model is no generator.
    """

    def __init__(
        self,
        network: nn.Module,
        inference: Inference,
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.inference, self._generation = inference, generation_of(inference)
        self.device = choose_device(device)
        self.precision = _choose_precision(precision)
        self.messages: list[str] = []
        self._denoiser: Denoiser | None = None
        self._decoder: nn.Module | None = None
        if "diffusion" in self._generation.family:
            self._denoiser = Denoiser(network, inference, self.device, self.precision)
        else:
            self._decoder = copy.deepcopy(network).eval().requires_grad_(False).to(self.device)

    def run(
        self,
        request: Request,
        *,
        on_preview: OnPreview | None = None,
        on_image: OnImage | None = None,
        enough: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> Generated:
        """Draw images.

        Parameters
        ----------
        request
            What to draw.
        on_preview
            Called with the number of the step that was done, of how many, the images
            (n, C, Y, X) in [0, 1] that the running batch is about to become, and their
            numbers.
        on_image
            Called with the number and (C, Y, X) of each finished image.
        enough
            Polled between steps; once it is true, the run ends with the images that are
            finished, perhaps none.
        progress
            Called between steps with images times steps; may raise
            :class:`~napari_cytosynth.errors.Cancelled`, which ends the run there.

        Raises
        ------
        InputError
            If the model cannot do what is asked for.
        ModelError
            If it gives values that are no numbers.
        OutOfMemoryError
            If memory does not suffice even for a single image.
        Cancelled
            From `progress`.
        """
        if request.count < 1 or len(request.seeds) != request.count:
            raise InputError("Ask for at least one image, and for one seed of each.")
        for seed in request.seeds:
            check_seed(seed)
        shape = self._latent_shape(self._size(request.size))

        def begin(number: int) -> Beginning:
            return noise_from(request.seeds[number], shape)

        order = self._order(request, begin)
        run = Run(order.count * order.steps, on_preview, on_image, enough, progress)
        images, trajectory = self._draw(order, run, request.batch_size)
        return Generated(images, request.seeds[: len(images)], trajectory, tuple(self.messages))

    def walk(
        self,
        seed_a: int,
        seed_b: int,
        count: int,
        *,
        size: tuple[int, int] | None = None,
        label: int | None = None,
        condition: tuple[float, ...] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        keep_trajectory: bool = False,
        batch_size: int | None = None,
        on_preview: OnPreview | None = None,
        on_image: OnImage | None = None,
        enough: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> Generated:
        """Draw images between those of two seeds, along the arc between their latents.

        Diffusion models walk through their initial noise, by DDIM, which adds none of its
        own: the ends are the images of the two seeds with that sampler.

        Parameters
        ----------
        seed_a, seed_b
            Seeds of the two ends.
        count
            Number of images, both ends included; at least 2.
        size, label, condition, steps, guidance, keep_trajectory, batch_size
            As in :class:`Request`.
        on_preview, on_image, enough, progress
            As in :meth:`run`.

        Raises
        ------
        InputError, ModelError, OutOfMemoryError, Cancelled
            As :meth:`run`.
        """
        if count < 2:
            raise InputError("A walk between two images needs at least 2 images: its ends.")
        check_seed(seed_a)
        check_seed(seed_b)
        shape = self._latent_shape(self._size(size))
        ends = [noise_from(seed, shape) for seed in (seed_a, seed_b)]
        positions = tuple(number / (count - 1) for number in range(count))

        def begin(number: int) -> Beginning:
            latent = slerp(ends[0].latent, ends[1].latent, positions[number])
            return Beginning(latent, ends[0].generator)

        request = Request(
            count=count,
            seeds=(seed_a, seed_b),
            size=size,
            label=label,
            condition=condition,
            sampler="ddim",
            steps=steps,
            guidance=guidance,
            keep_trajectory=keep_trajectory,
        )
        order = self._order(request, begin)
        run = Run(order.count * order.steps, on_preview, on_image, enough, progress)
        images, trajectory = self._draw(order, run, batch_size)
        done = positions[: len(images)]
        return Generated(images, request.seeds, trajectory, tuple(self.messages), done)

    # -- what is asked for ------------------------------------------------------------------

    def _order(self, request: Request, begin: Callable[[int], Beginning]) -> Order:
        """Fill in what the card decides, or raise InputError."""
        card = self._generation
        if self._denoiser is not None:
            self._denoiser.check(request.label, request.condition)
        elif request.label is not None or request.condition:
            raise InputError("This model knows no classes or properties: leave them out.")
        guidance = card.guidance if request.guidance is None else request.guidance
        if not (np.isfinite(guidance) and guidance >= 0):
            raise InputError(f"The guidance must be a number from 0 on, not {guidance}.")
        keep = request.keep_trajectory
        if keep and self._denoiser is None:
            self._tell("This model makes an image in one step: there is no trajectory to keep.")
        return Order(
            count=request.count,
            size=self._size(request.size),
            begin=begin,
            label=request.label,
            condition=request.condition,
            sampler=_choose_sampler(request.sampler or card.sampler),
            steps=self._steps(request.steps),
            guidance=float(guidance),
            keep_trajectory=keep and self._denoiser is not None,
        )

    def _steps(self, wanted: int | None) -> int:
        if self._denoiser is None:
            return 1
        most = self._denoiser.schedule.steps
        steps = min(self._generation.steps, most) if wanted is None else wanted
        if not 1 <= steps <= most:
            raise InputError(
                f"The number of steps must lie between 1 and {most}, which the model was "
                f"trained with, not be {steps}."
            )
        return steps

    def _size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        native = self.inference.example_size
        if wanted is None:
            return native
        if min(wanted) < 1:
            raise InputError("An image must have at least 1 pixel along each axis.")
        if self._denoiser is None and tuple(wanted) != native:
            raise InputError(
                f"This model only makes images of {native[0]} × {native[1]} pixels. For others, "
                "choose a diffusion model (ddpm or ldm)."
            )
        return wanted[0], wanted[1]

    def _latent_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of what is random: a field that covers size and window, or (L,)."""
        if self._denoiser is None:
            return (int(self._decoder.latent),)  # type: ignore[union-attr, arg-type]
        down = self._denoiser.downsampling
        field = (max(-(-a // down), b) for a, b in zip(size, self._denoiser.window, strict=True))
        return (self._denoiser.channels, *field)

    def _tell(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    # -- drawing ----------------------------------------------------------------------------

    def _draw(
        self, order: Order, run: Run, batch: int | None
    ) -> tuple[Floats, NDArray[np.float16] | None]:
        """Draw batch after batch; smaller ones once the memory does not suffice."""
        if batch is not None and batch < 1:
            raise InputError(f"A batch needs at least 1 image, not {batch}.")
        size = batch or self._batch(order)
        images = self._room(order)
        kept: list[NDArray[np.float16]] = []
        done = 0
        run.expect(0, "Running the model")
        while done < order.count:
            numbers = list(range(done, min(done + size, order.count)))
            try:
                part = unless_out_of_memory(lambda numbers=numbers: self._try(order, run, numbers))  # type: ignore[misc]
            except Enough:
                break
            if part is None:
                size = self._smaller(len(numbers))
                continue
            images[numbers] = part[0]
            kept += part[1:]
            done += len(numbers)
            if run.on_image is not None:
                for number in numbers:
                    run.on_image(number, images[number].copy())
        run.finish()
        return images[:done], np.concatenate(kept, axis=1) if kept else None

    def _room(self, order: Order) -> Floats:
        shape = (order.count, len(self.inference.output_channels), *order.size)
        try:
            return np.empty(shape, np.float32)
        except MemoryError as error:
            raise OutOfMemoryError(
                f"There is not enough memory to hold {order.count} images of {order.size[0]} × "
                f"{order.size[1]} pixels. Ask for fewer or smaller ones."
            ) from error

    def _batch(self, order: Order) -> int:
        """Return how many images run at the same time."""
        pixels = order.size[0] * order.size[1]
        wanted = BATCH_PIXELS.get(self.device.type, BATCH_PIXELS_ELSEWHERE) // pixels
        fitting = free_memory(self.device) // 4 // (BYTES_PER_PIXEL * pixels)
        return max(min(wanted, fitting), 1)

    def _smaller(self, size: int) -> int:
        """Return a batch size that may fit where `size` did not."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if size == 1:
            raise OutOfMemoryError(
                "There is not enough memory to make even a single image. Close other programs "
                "and images, ask for a smaller size"
                + ("." if self.device.type == "cpu" else ", or choose the device “cpu”.")
            )
        self._tell(
            "Ran out of memory: went on with fewer images at a time. The images are the same; "
            "it only takes longer."
        )
        return size // 2

    def _try(
        self, order: Order, run: Run, numbers: list[int]
    ) -> tuple[Floats] | tuple[Floats, NDArray[np.float16]]:
        """Draw the images of these numbers; with the states in between if they are kept."""
        if self._denoiser is not None:
            return self._diffuse(self._denoiser, order, run, numbers)
        run.poll()
        images = self._decode(order, numbers)
        run.expect(numbers[-1] + 1, f"Image {numbers[-1] + 1} of {order.count}")
        return (images,)

    @torch.inference_mode()
    def _decode(self, order: Order, numbers: list[int]) -> Floats:
        """Decode latent vectors in one pass."""
        latents = torch.stack([order.begin(number).latent for number in numbers])
        with exact_float32(self.device):
            images = self._decoder.decode(latents.to(self.device))  # type: ignore[union-attr, operator]
        if not bool(images.isfinite().all()):
            raise ModelError(
                "The model gave values that are no numbers, so that there is no image. Its "
                "weights may be damaged: fetch the model again, or choose another one."
            )
        return _to_unit(images)

    @torch.inference_mode()
    def _diffuse(
        self, denoiser: Denoiser, order: Order, run: Run, numbers: list[int]
    ) -> tuple[Floats] | tuple[Floats, NDArray[np.float16]]:
        """Walk from noise to images."""
        steps = Steps(order.sampler, order.steps, denoiser.schedule)
        begun = [order.begin(number) for number in numbers]
        field = torch.stack([each.latent for each in begun]).to(self.device)
        generators = [each.generator for each in begun]
        count = len(steps.times)
        to_keep = _spread(count + 1, KEPT_STATES) if order.keep_trajectory else set()
        to_show = _spread(count, LATENT_PREVIEWS if denoiser.downsampling > 1 else count)
        states: list[NDArray[np.float16]] = []
        told = (order.label, order.condition, order.guidance)
        for number, time in enumerate(steps.times):
            run.poll()
            if number in to_keep:
                states.append(self._picture(denoiser, field, order).astype(np.float16))
            clean = denoiser.guided(field, time, *told, between=run.breathe)
            field = steps.step(number, clean, field, generators)
            if run.on_preview is not None and number in to_show:
                run.on_preview(number + 1, count, self._picture(denoiser, clean, order), numbers)
            done = numbers[0] * order.steps + (number + 1) * len(numbers) * order.steps // count
            run.expect(done, _message(number + 1, count, numbers, order.count))
        images = self._picture(denoiser, field, order)
        if not order.keep_trajectory:
            return (images,)
        return images, np.stack([*states, images.astype(np.float16)])

    def _picture(self, denoiser: Denoiser, field: torch.Tensor, order: Order) -> Floats:
        """Return (N, C, Y, X) in [0, 1] of what is denoised, cut to size."""
        return _to_unit(denoiser.decode(field)[..., : order.size[0], : order.size[1]])


def _to_unit(images: torch.Tensor) -> Floats:
    result: Floats = ((images.float() + 1) / 2).clamp(0, 1).cpu().numpy()
    return result


def _spread(count: int, most: int) -> set[int]:
    """Return at most `most` of the numbers below `count`, first and last among them."""
    return {round(place) for place in np.linspace(0, count - 1, min(count, most))}


def _message(step: int, steps: int, numbers: list[int], count: int) -> str:
    which = f"image {numbers[0] + 1}"
    if len(numbers) > 1:
        which = f"images {numbers[0] + 1}–{numbers[-1] + 1}"
    return f"Step {step} of {steps}, {which} of {count}"


def _choose_sampler(name: str) -> SamplerName:
    for known in SAMPLERS:
        if name == known:
            return known
    raise InputError(f"There is no sampler “{name}”; use one of {', '.join(SAMPLERS)}.")


def _choose_precision(name: str) -> str:
    if name == "auto":
        name = os.environ.get(ENVIRONMENT_VARIABLE, "") or "float32"
    if name == "auto":
        return "float32"
    if name not in ("float32", "bfloat16"):
        raise InputError(f"There is no precision “{name}”. Choose auto, float32 or bfloat16.")
    return name
