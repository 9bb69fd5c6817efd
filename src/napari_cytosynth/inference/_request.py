"""What a generator can be asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["Generated", "Request"]


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
