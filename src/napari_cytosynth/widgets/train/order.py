"""What is to be trained, and what has come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.teach.process.messages import Tuned
    from napari_cytosynth.training.teach.runs import OwnRun
    from napari_cytosynth.training.teach.segment.synthetic import SyntheticImages
    from napari_cytosynth.zoo.card import ModelCard

    from .material import PairCopy

__all__ = ["TrainOrder", "TrainResult"]


@dataclass(frozen=True, eq=False)
class TrainOrder:
    """What is to be trained.

    Attributes
    ----------
    model
        Model to start from, as `load_model` takes it.
    card
        Its card, where it is on this machine.
    name
        Name that the new model is to have.
    pairs, sparse
        Images and labels of layers, and whether labels that were painted are sparse.
    data_dir
        Folder of images and truth instead of pairs. Default: None.
    minutes, steps, seed
        See :func:`~napari_cytosynth.fine_tune`.
    resume
        Training that goes on; then only `pairs` and `taught` count of all the others, for the
        comparison.
    taught
        What a stainer or a generator learns, of layers, instead of pairs. Default: nothing.
    synthetic
        Synthetic images with masks beside the pairs. Default: None.
    from_scratch
        Whether it begins with random weights in the form of `model`. Default: False.
    offer_shift
        Whether a shift between image and stains is looked for first. Default: False.
    """

    model: str = ""
    card: ModelCard | None = None
    name: str = ""
    pairs: tuple[PairCopy, ...] = ()
    sparse: bool = True
    data_dir: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    resume: OwnRun | None = None
    taught: tuple[Any, ...] = ()
    offer_shift: bool = False
    synthetic: SyntheticImages | None = None
    from_scratch: bool = False


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A training that is over, and what both models find in one image.

    Attributes
    ----------
    run, tuned
        The training and its end.
    before, after
        What the start model and the new one make of the same plane, or of the same noise; None if
        they could not be compared.
    messages
        What the user ought to know of the comparison.
    """

    run: OwnRun
    tuned: Tuned
    before: Any = None
    after: Any = None
    messages: list[str] = field(default_factory=list)
