"""What is read of a card to run a generator; the card itself is of the zoo, a floor of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from napari_cytosynth.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.inference._steps import SamplerName
    from napari_cytosynth.inference.schedule import PredictionType, ScheduleName

__all__ = ["GenerationLike", "InferenceLike", "generation_of"]


class GenerationLike(Protocol):
    """What is read of a card's :class:`~napari_cytosynth.zoo.card.Generation`."""

    @property
    def family(self) -> str: ...
    @property
    def zero_terminal_snr(self) -> bool: ...
    @property
    def sampler(self) -> SamplerName: ...
    @property
    def steps(self) -> int: ...
    @property
    def guidance(self) -> float: ...
    @property
    def conditions(self) -> Sequence[object]: ...


class InferenceLike(Protocol):
    """What is read of a card's :class:`~napari_cytosynth.zoo.card.Inference`."""

    @property
    def output_channels(self) -> Sequence[str]: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def example_size(self) -> tuple[int, int]: ...
    @property
    def total_stride(self) -> int: ...
    @property
    def prediction_type(self) -> PredictionType | None: ...
    @property
    def schedule(self) -> ScheduleName | None: ...
    @property
    def training_steps(self) -> int | None: ...
    @property
    def generation(self) -> GenerationLike | None: ...


def generation_of(inference: InferenceLike) -> GenerationLike:
    """Return how a generator is sampled, or raise ModelError if it is none."""
    if inference.generation is None:
        raise ModelError(
            "This model does not generate images: it works on images of yours. Choose a "
            "generative model, for example nuclei-ddpm."
        )
    return inference.generation
