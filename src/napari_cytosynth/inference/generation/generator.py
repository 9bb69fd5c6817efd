"""Drawing images from a generative model: one seed for each image, and nothing else.

Diffusion models walk from noise to image by the samplers of `diffusers`; images larger than
those of the training are seen through overlapping windows (Bar-Tal et al. 2023,
"MultiDiffusion", arXiv:2302.08113). β-VAEs and WGANs decode a latent vector in one pass.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_cytosynth.errors import InputError, OutOfMemoryError
from napari_cytosynth.inference.device import choose_device, free_memory, unless_out_of_memory
from napari_cytosynth.inference.precision import ENVIRONMENT_VARIABLE

from .families import Decoding, Diffusing
from .request import SAMPLERS, ResolvedRequest, SamplingOptions, generation_of, resolve
from .run import GenerationRun, StopRequested

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Inference

    from .families import Drawn, Floats, States
    from .run import OnImage, OnPreview

__all__ = ["SAMPLERS", "Generated", "Generator", "ResolvedRequest", "SamplingOptions", "resolve"]

# Images of 64 x 64 px at a time; more are no faster and delay a cancellation.
BATCH_PIXELS = {"cpu": 8 * 64 * 64}
BATCH_PIXELS_ELSEWHERE = 64 * 64 * 64
BYTES_PER_PIXEL = 16 * 2**10  # of a large denoiser's activations, in float32


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
        Warnings for the user, for example that memory ran out.
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
        Warnings for the user, for example that memory ran out.

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
        self.inference = inference
        self.device = choose_device(device)
        self.precision = _choose_precision(precision)
        self.messages: list[str] = []
        family = Diffusing if "diffusion" in generation_of(inference).family else Decoding
        self._family: Diffusing | Decoding = family(network, inference, self.device, self.precision)

    def run(
        self,
        request: ResolvedRequest,
        *,
        on_preview: OnPreview | None = None,
        on_image: OnImage | None = None,
        enough: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> Generated:
        """Draw images, each from its seed or along the arc between the latents of two seeds.

        The ends of a walk are the images of the two seeds with the sampler DDIM, which adds
        no noise of its own on the way.

        Parameters
        ----------
        request
            What to draw, resolved against the card of this model.
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
        ModelError
            If it gives values that are no numbers.
        OutOfMemoryError
            If memory does not suffice even for a single image.
        Cancelled
            From `progress`.
        """
        run = GenerationRun(request.count * request.steps, on_preview, on_image, enough, progress)
        images, trajectory = self._draw(request, run)
        seeds, positions = request.seeds, request.positions
        if positions is None:
            seeds = seeds[: len(images)]
        else:
            positions = positions[: len(images)]
        messages = (*request.messages, *self.messages)
        return Generated(images, seeds, trajectory, messages, positions)

    def _add_message(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    # -- drawing ----------------------------------------------------------------------------

    def _draw(self, request: ResolvedRequest, run: GenerationRun) -> Drawn:
        """Draw batch after batch; smaller ones once the memory does not suffice."""
        size = request.batch_size or self._batch(request)
        images = self._room(request)
        kept: list[States] = []
        done = 0
        run.report(0, "Running the model")
        while done < request.count:
            numbers = list(range(done, min(done + size, request.count)))
            try:
                part = unless_out_of_memory(partial(self._family.draw, request, run, numbers))
            except StopRequested:
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

    def _room(self, request: ResolvedRequest) -> Floats:
        shape = (request.count, len(self.inference.output_channels), *request.size)
        try:
            return np.empty(shape, np.float32)
        except MemoryError as error:
            raise OutOfMemoryError(
                f"There is not enough memory to hold {request.count} images of {request.size[0]} × "
                f"{request.size[1]} pixels. Ask for fewer or smaller ones."
            ) from error

    def _joined(self, kept: list[States]) -> States | None:
        """Return the states of all batches, or None and a message without room for them."""
        try:
            return np.concatenate(kept, axis=1) if kept else None
        except MemoryError:
            self._add_message(
                "There was not enough memory for the trajectory: the images are there, but not "
                "the steps towards them."
            )
            return None

    def _batch(self, request: ResolvedRequest) -> int:
        """Return how many images run at the same time: few latents cost what few pixels do."""
        pixels = request.size[0] * request.size[1]
        field = self._family.latent_shape(request.size)[1:]
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
        self._add_message(
            "Ran out of memory: went on with fewer images at a time. The images are the same; "
            "it only takes longer."
        )
        return size // 2


def _choose_precision(name: str) -> str:
    if name == "auto":
        name = os.environ.get(ENVIRONMENT_VARIABLE, "") or "float32"
    if name == "auto":
        return "float32"
    if name not in ("float32", "bfloat16"):
        raise InputError(f"There is no precision “{name}”. Choose auto, float32 or bfloat16.")
    return name
