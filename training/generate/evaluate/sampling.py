"""Sampling of a generator with the same mixture of classes and conditions as real crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.inference.generation.generator import Generator, SamplingOptions, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_cytosynth.training.generate.data import Crops
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "ConditionGroup",
    "Sampling",
    "condition_groups",
    "known_properties",
    "sample_like",
    "unit_range",
]

_GROUPS = 8  # of equally many images, sampled with the same condition


@dataclass(frozen=True)
class Sampling:
    """Options of a sampling run of an evaluation; None (default): the default of the model's card.

    Attributes
    ----------
    sampler, steps, guidance
        Of a diffusion model. Default: None.
    seed
        Of the first image, counted up by one for each of the others. Default: 0.
    device
        Device of the network. Default: ``auto``.
    batch_size
        Images at once; None (default): as many as fit into memory.
    """

    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    device: str = "auto"
    batch_size: int | None = None


@dataclass(frozen=True, eq=False)
class ConditionGroup:
    """Images that are sampled with the same class and conditions.

    Attributes
    ----------
    rows
        (n,) indices of the corresponding real crops.
    label
        Index of their class; None for a model without classes.
    condition
        Standardised conditions; None for a model without.
    """

    rows: NDArray[np.int64]
    label: int | None
    condition: tuple[float, ...] | None


def unit_range(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring crops in [-1, 1], as networks see them, to [0, 1], as results show them."""
    return ((images + 1) / 2).clip(0, 1)


def known_properties(model: Model) -> tuple[int, int]:
    """Return the numbers of classes and of conditions of a conditional model."""
    classes, conditions = (getattr(model.network, name, 0) for name in ("classes", "conditions"))
    return int(classes), int(conditions)


def condition_groups(crops: Crops, classes: int, conditions: int) -> Iterator[ConditionGroup]:
    """Group real crops by class and by octiles of the first condition.

    Parameters
    ----------
    crops
        The real ones.
    classes, conditions
        Numbers of both that the network has.

    Yields
    ------
    ConditionGroup
        One for each group; all rows occur once.
    """
    every = np.arange(len(crops.images))
    labels = crops.labels if classes else np.zeros(len(every), np.int64)
    for label in np.unique(labels):
        rows = every[labels == label]
        groups = [rows]
        if conditions:
            ranked = rows[np.argsort(crops.conditions[rows, 0], kind="stable")]
            groups = [part for part in np.array_split(ranked, _GROUPS) if part.size]
        for group in groups:
            condition = tuple(crops.conditions[group].mean(axis=0).tolist()) if conditions else None
            yield ConditionGroup(group, int(label) if classes else None, condition)


def sample_like(
    model: Model, crops: Crops, sampling: Sampling, progress: Callable[[int, str], None]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Generate one image for each real crop, with the same classes and conditions.

    Parameters
    ----------
    model
        The generator.
    crops
        The real ones.
    sampling
        How the images are drawn. Image i has the seed ``sampling.seed + i``.
    progress
        Called with the number of finished images and a message; may raise Cancelled.

    Returns
    -------
    images
        (N, C, Y, X) float32 in [0, 1], the mask's channel included.
    conditions
        (N, K) standardised conditions of each image.

    Raises
    ------
    CytosynthError
        As sampling does.
    """
    classes, conditions = known_properties(model)
    generator = Generator(model.network, model.card.inference, device=sampling.device)
    images = np.empty(crops.images.shape, np.float32)
    sampled = np.full((len(images), conditions), np.nan)
    done = 0
    for group in condition_groups(crops, classes, conditions):
        count, finished = len(group.rows), done
        options = SamplingOptions(
            count=count,
            seed=tuple(int(sampling.seed + row) for row in group.rows),
            label=group.label,
            conditions=group.condition,
            sampler=sampling.sampler,
            steps=sampling.steps,
            guidance=sampling.guidance,
            batch_size=sampling.batch_size,
        )

        def tick(
            step: int, total: int, message: str, /, base: int = finished, n: int = count
        ) -> None:
            progress(base + n * step // max(total, 1), message)

        request = resolve(options, model.card.inference)
        images[group.rows] = generator.run(request, progress=tick).images
        if group.condition is not None:
            sampled[group.rows] = group.condition
        done += count
    return images, sampled
