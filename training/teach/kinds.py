"""What each task is taught by: how material is read, copied and turned into a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError, ModelError

from .generate.images import generate_lesson, read_images
from .generate.recipe import check_generator, generate_folder, generate_tree
from .segment.lesson import segment_lesson
from .segment.pairs import read_pairs
from .segment.recipe import check_segmenter, segment_folder, segment_tree
from .stain.lesson import stain_lesson
from .stain.narrowed import narrowed
from .stain.pairs import read_stained
from .stain.recipe import check_stainer, stain_folder, stain_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

    from .plan import TuningPlan
    from .segment.synthetic import SyntheticImages

    Files = dict[str, NDArray[Any]]

__all__ = ["KINDS", "TuningKind", "kind_of"]


def _as_it_is(model: Model, planes: Sequence[Any]) -> Model:
    return model


def _none_beside(
    card: ModelCard, planes: Sequence[Any], plan: TuningPlan, synthetic: SyntheticImages
) -> tuple[TuningPlan, Files]:
    raise InputError(
        f"Only models that segment learn from synthetic masks; “{card.name}” is one to "
        f"{card.inference.task}."
    )


@dataclass(frozen=True)
class TuningKind:
    """How models of one task are fine-tuned.

    Attributes
    ----------
    check
        Raises ModelError if a card is that of a model that cannot be.
    read
        Given pairs, the card, and whether labels are sparse, returns copies of the planes.
    lesson
        Given card, planes and a plan, returns the completed plan, and the files of the data folder.
    folder
        Given card, a plan and a data folder, returns the plan by what is in the folder.
    tree
        Given card and plan, returns the recipe as a tree of settings.
    narrowed
        Given model and planes, returns the model to start from. Default: the model.
    with_synthetic
        As `lesson`, with synthetic images beside the planes. Default: an error.
    """

    check: Callable[[ModelCard], None]
    read: Callable[[Sequence[Any], ModelCard, bool], list[Any]]
    lesson: Callable[[ModelCard, Sequence[Any], TuningPlan], tuple[TuningPlan, Files]]
    folder: Callable[[ModelCard, TuningPlan, Path], TuningPlan]
    tree: Callable[[ModelCard, TuningPlan], dict[str, Any]]
    narrowed: Callable[[Model, Sequence[Any]], Model] = _as_it_is
    with_synthetic: Callable[
        [ModelCard, Sequence[Any], TuningPlan, SyntheticImages], tuple[TuningPlan, Files]
    ] = _none_beside


def kind_of(card: ModelCard) -> TuningKind:
    """Return how a model is fine-tuned.

    Raises
    ------
    ModelError
        If it cannot be.
    """
    task = card.inference.task
    if task not in KINDS:
        raise ModelError(f"“{card.name}” is a model to {task}, which cannot be fine-tuned.")
    if card.architecture == "ONNX":
        raise ModelError(f"“{card.name}” is an ONNX graph of another program: it is not trained.")
    kind = KINDS[task]
    kind.check(card)
    return kind


def _read_pairs(pairs: Sequence[Any], card: ModelCard, sparse: bool) -> list[Any]:
    return read_pairs(pairs, sparse=sparse)


def _read_stained(pairs: Sequence[Any], card: ModelCard, sparse: bool) -> list[Any]:
    return read_stained(pairs, card)


def _read_images(pairs: Sequence[Any], card: ModelCard, sparse: bool) -> list[Any]:
    return read_images(pairs, card)


KINDS: dict[str, TuningKind] = {
    "segment": TuningKind(
        check_segmenter,
        _read_pairs,
        segment_lesson,
        segment_folder,
        segment_tree,
        with_synthetic=segment_lesson,
    ),
    "stain": TuningKind(
        check_stainer, _read_stained, stain_lesson, stain_folder, stain_tree, narrowed
    ),
    "generate": TuningKind(
        check_generator, _read_images, generate_lesson, generate_folder, generate_tree
    ),
}
"""Name of the task -> how its models are fine-tuned."""
