"""The search for the next place to paint, in a job: no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot, finest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.teach.uncertainty import Window

__all__ = ["Candidate", "Proposal", "propose"]

_SIDE = 256  # px


@dataclass(frozen=True, eq=False)
class Candidate:
    """A plane of an image that may be painted on.

    Attributes
    ----------
    layer
        The image's layer, which the proposal refers to; not touched by the job.
    image
        Copy of it.
    place
        Index of the plane.
    painted
        (Y, X), where something is painted.
    offered
        Windows of the plane that were proposed before.
    """

    layer: Any
    image: LayerSnapshot
    place: tuple[int, ...]
    painted: NDArray[np.bool_]
    offered: tuple[Window, ...] = ()


@dataclass(frozen=True, eq=False)
class Proposal:
    """A window to paint in: its plane, its rows and columns, its entropy in bits per pixel."""

    candidate: Candidate
    window: Window
    entropy: float


def propose(
    candidates: Sequence[Candidate], model: str, axes: Sequence[str], progress: Progress
) -> Proposal:
    """Return the window of all planes of which a model is least certain.

    Parameters
    ----------
    candidates
        The planes.
    model
        As `load_model` takes it.
    axes
        Letters of the axes of each image.
    progress
        May raise `Cancelled`.

    Raises
    ------
    InputError
        If there is nothing uncertain left.
    CytosynthError
        If an image cannot be segmented.
    """
    from napari_cytosynth.tasks.segment import segment
    from napari_cytosynth.training.teach.uncertainty import uncertain_window

    best: Proposal | None = None
    for candidate, letters in zip(candidates, axes, strict=True):
        found = segment(
            candidate.image,
            model=model,
            device="cpu",
            axes=letters,
            planes=candidate.place or None,
            progress=progress,
        )
        size = finest(candidate.image).shape[-2:]
        probability = np.asarray(found.probability).reshape(size)
        window = uncertain_window(probability, candidate.painted, _SIDE, candidate.offered)
        if window is not None and (best is None or window[1] > best.entropy):
            best = Proposal(candidate, *window)
    if best is None:
        raise InputError(
            "The model is certain everywhere in these planes: show another plane, or open "
            "another image."
        )
    return best
