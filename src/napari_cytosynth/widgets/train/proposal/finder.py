"""Looks for the next place to paint in the background, and shows it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.layers import position_in_view
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot, finest
from napari_cytosynth.widgets.train.material import position_axes

from .finding import Candidate, propose
from .marking import PlaceMark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cytosynth.training.teach.uncertainty import Window
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .finding import Proposal

__all__ = ["PlaceFinder"]


class PlaceFinder:
    """Proposes one window after the other.

    Parameters
    ----------
    viewer
        The napari viewer.
    owner
        The Qt widget that it belongs to.
    on_end
        Called with the place, and a sentence on it or on why there is none.
    """

    def __init__(
        self, viewer: Any, owner: Any, on_end: Callable[[Proposal | None, str], None]
    ) -> None:
        self._viewer, self._on_end = viewer, on_end
        self.jobs: JobRunner[Proposal] = JobRunner(owner)
        self.mark = PlaceMark(viewer)
        self._offered: weakref.WeakKeyDictionary[Any, list[tuple[tuple[int, ...], Window]]] = (
            weakref.WeakKeyDictionary()
        )

    def start(
        self, pairs: Sequence[tuple[Any, Any]], model: str, on_tick: Callable[[Tick], None]
    ) -> None:
        """Begin to look in the planes in view of the images.

        Parameters
        ----------
        pairs
            (image, labels) layers, of which None may be missing.
        model
            As `load_model` takes it.
        on_tick
            Called with progress.

        Raises
        ------
        InputError
            If there is no image.
        """
        found = [self._candidate(image, labels) for image, labels in pairs if image is not None]
        if not found:
            raise InputError("Open an image, and choose it as the image of the row.")
        axes = [position_axes(one.image.ndim) for one in found]
        self.jobs.start(
            lambda progress: propose(found, model, axes, progress), self._on_found, on_tick
        )

    def _candidate(self, image: Any, labels: Any) -> Candidate:
        copy = LayerSnapshot.of(image)
        place = position_in_view(self._viewer, image)[: copy.ndim - 2]
        shape = finest(copy).shape
        painted = np.zeros(shape[copy.ndim - 2 : copy.ndim], bool)
        if labels is not None and tuple(finest(labels).shape) == tuple(shape):
            painted = np.asarray(finest(labels)[place]) != 0
        offered = tuple(w for at, w in self._offered.get(image, []) if at == place)
        return Candidate(image, copy, place, painted, offered)

    def _on_found(self, outcome: Outcome[Proposal]) -> None:
        proposal = outcome.value
        if proposal is None:
            self._on_end(None, "Stopped looking." if outcome.stopped else f"⚠ {outcome.error}")
            return
        layer = proposal.candidate.layer
        if layer not in self._viewer.layers:
            self._on_end(None, "⚠ The image is no longer there.")
            return
        seen = self._offered.setdefault(layer, [])
        seen.append((proposal.candidate.place, proposal.window))
        self.mark.show(proposal)
        self._on_end(
            proposal,
            f"Here the model is least certain ({proposal.entropy:.2f} bits per pixel). Paint "
            "objects and background in the yellow rectangle; press again for the next place.",
        )
