"""Drawing images from a generative model: one seed for each image, and nothing else.

Diffusion models walk from noise to image by the samplers of `diffusers`; images larger than
those of the training are seen through overlapping windows (Bar-Tal et al. 2023,
"MultiDiffusion", arXiv:2302.08113). β-VAEs and WGANs decode a latent vector in one pass.
"""

from __future__ import annotations

import math
import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_cytosynth.errors import InputError, OutOfMemoryError
from napari_cytosynth.inference._described import generation_of
from napari_cytosynth.inference._families import Decoding, Diffusing
from napari_cytosynth.inference._generation_run import (
    Beginning,
    Enough,
    Order,
    Run,
    check_seed,
    noise_from,
    slerp,
)
from napari_cytosynth.inference._request import Generated, Request
from napari_cytosynth.inference._steps import SAMPLERS
from napari_cytosynth.inference.device import (
    choose_device,
    free_memory,
    unless_out_of_memory,
)
from napari_cytosynth.inference.precision import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from napari_cytosynth.inference._described import InferenceLike
    from napari_cytosynth.inference._families import Drawn, Floats, States
    from napari_cytosynth.inference._generation_run import OnImage, OnPreview
    from napari_cytosynth.inference._steps import SamplerName
    from napari_cytosynth.progress import Progress

__all__ = ["SAMPLERS", "Generated", "Generator", "Request"]

# Images of 64 x 64 px at a time; more are no faster and delay a cancellation.
BATCH_PIXELS = {"cpu": 8 * 64 * 64}
BATCH_PIXELS_ELSEWHERE = 64 * 64 * 64
BYTES_PER_PIXEL = 16 * 2**10  # of a large denoiser's activations, in float32


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
        inference: InferenceLike,
        *,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.inference, self._generation = inference, generation_of(inference)
        self.device = choose_device(device)
        self.precision = _choose_precision(precision)
        self.messages: list[str] = []
        family = Diffusing if "diffusion" in self._generation.family else Decoding
        self._family: Diffusing | Decoding = family(network, inference, self.device, self.precision)

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
        shape = self._family.latent_shape(self._size(request.size))

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
        shape = self._family.latent_shape(self._size(size))
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
        card, size = self._generation, self._size(request.size)
        self._family.check(request.label, request.condition, size)
        guidance = card.guidance if request.guidance is None else request.guidance
        if not (math.isfinite(guidance) and guidance >= 0):
            raise InputError(f"The guidance must be a number from 0 on, not {guidance}.")
        keep = request.keep_trajectory
        if keep and self._family.most_steps is None:
            self._tell("This model makes an image in one step: there is no trajectory to keep.")
        return Order(
            count=request.count,
            size=size,
            begin=begin,
            label=request.label,
            condition=request.condition,
            sampler=_choose_sampler(request.sampler or card.sampler),
            steps=self._steps(request.steps),
            guidance=float(guidance),
            keep_trajectory=keep and self._family.most_steps is not None,
        )

    def _steps(self, wanted: int | None) -> int:
        most = self._family.most_steps
        if most is None:
            return 1
        steps = min(self._generation.steps, most) if wanted is None else wanted
        if not 1 <= steps <= most:
            raise InputError(
                f"The number of steps must lie between 1 and {most}, which the model was "
                f"trained with, not be {steps}."
            )
        return steps

    def _size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        if wanted is None:
            return self.inference.example_size
        if min(wanted) < 1:
            raise InputError("An image must have at least 1 pixel along each axis.")
        return wanted[0], wanted[1]

    def _tell(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    # -- drawing ----------------------------------------------------------------------------

    def _draw(self, order: Order, run: Run, batch: int | None) -> Drawn:
        """Draw batch after batch; smaller ones once the memory does not suffice."""
        if batch is not None and batch < 1:
            raise InputError(f"A batch needs at least 1 image, not {batch}.")
        size = batch or self._batch(order)
        images = self._room(order)
        kept: list[States] = []
        done = 0
        run.expect(0, "Running the model")
        while done < order.count:
            numbers = list(range(done, min(done + size, order.count)))
            try:
                part = unless_out_of_memory(partial(self._family.draw, order, run, numbers))
            except Enough:
                break
            if part is None:
                size = self._smaller(len(numbers))
                continue
            images[numbers], states = part
            if states is not None:
                kept.append(states)
            done += len(numbers)
            if run.on_image is not None:
                for number in numbers:
                    run.on_image(number, images[number].copy())
        run.finish()
        return images[:done], self._joined(kept)

    def _room(self, order: Order) -> Floats:
        shape = (order.count, len(self.inference.output_channels), *order.size)
        try:
            return np.empty(shape, np.float32)
        except MemoryError as error:
            raise OutOfMemoryError(
                f"There is not enough memory to hold {order.count} images of {order.size[0]} × "
                f"{order.size[1]} pixels. Ask for fewer or smaller ones."
            ) from error

    def _joined(self, kept: list[States]) -> States | None:
        """Return the states of all batches, or None and a message without room for them."""
        try:
            return np.concatenate(kept, axis=1) if kept else None
        except MemoryError:
            self._tell(
                "There was not enough memory for the trajectory: the images are there, but not "
                "the steps towards them."
            )
            return None

    def _batch(self, order: Order) -> int:
        """Return how many images run at the same time: few latents cost what few pixels do."""
        pixels = order.size[0] * order.size[1]
        field = self._family.latent_shape(order.size)[1:]
        most = BATCH_PIXELS.get(self.device.type, BATCH_PIXELS_ELSEWHERE)
        wanted = most // (math.prod(field) if field else pixels)
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
