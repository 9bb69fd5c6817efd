"""What goes to the process of a fine-tuning, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.process.messages import Failed, Final, Working

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.segment.synthetic import SyntheticImages

__all__ = ["Event", "Failed", "Learned", "Previewed", "Scored", "Tuned", "TuningRequest", "Working"]


@dataclass(frozen=True, eq=False)
class TuningRequest:
    """Arguments of a fine-tuning.

    Attributes
    ----------
    model
        Model to start from, as `load_model` takes it.
    out
        Folder of the run. If it holds a run, that goes on, whatever else is here.
    lock
        File of which one process at a time has the lock: a second training is refused.
    planes
        What is learned, as of :attr:`~napari_cytosynth.training.teach.kinds.TuningKind.read`.
        Default: none, but the images of a folder.
    data_dir
        Folder of images and truth, as ``cytosynth train --from`` takes it. Default: None.
    minutes, steps, seed
        See :func:`~napari_cytosynth.fine_tune`.
    synthetic
        Synthetic images with masks beside them. Default: None.
    from_scratch
        Whether it begins with random weights. Default: False.
    window
        (Y, X) pixels in which the network shows what it finds meanwhile. Default: None.
    """

    model: str
    out: Path
    lock: Path
    planes: tuple[Any, ...] = ()
    data_dir: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    window: NDArray[Any] | None = None
    synthetic: SyntheticImages | None = None
    from_scratch: bool = False


@dataclass(frozen=True)
class Learned:
    """The mean loss of some optimiser steps, of which `step` is the last."""

    step: int
    loss: float


@dataclass(frozen=True)
class Scored:
    """Scores on what is held out, after so many steps; those of the start model at step 0."""

    step: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Tuned(Final):
    """A training that is over.

    Attributes
    ----------
    model
        Folder of the new model.
    best_epoch
        Number of the epoch whose weights it has; -1: those of the start model.
    before, after
        Scores on what was held out, of the start model and of the new one; empty if nothing was.
    remarks
        What the card says of the training.
    task
        Task of the model. Default: segment.
    """

    model: Path
    best_epoch: int
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    remarks: str = ""
    task: str = "segment"

    @property
    def validated(self) -> bool:
        """Whether both models were measured on what was held out."""
        return bool(self.before and self.after)

    @property
    def better(self) -> bool:
        """Whether something of the training was better than the start model, or may be so."""
        return self.best_epoch >= 0


@dataclass(frozen=True, eq=False)
class Previewed:
    """What the network finds now in the window of a preview: (Y, X), 255 for certain."""

    probability: NDArray[np.uint8]


Event = Learned | Scored | Previewed
"""What comes between progress and the end."""
