"""Outlines of nuclei: hidden with them, and thick around the one that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.stain.hiding import HidingLayer

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.widgets.stain.hiding import NucleusRule

    Floats = npt.NDArray[np.float32]

__all__ = ["OutlineLayer"]


class OutlineLayer(HidingLayer):
    """Layer of outlines, one of which may be thick.

    Parameters
    ----------
    layer
        A napari image layer that shows `whole`.
    whole
        float32 of the layer's shape: the doubt at the outlines, NaN elsewhere.
    rule
        What is hidden first, and which pixels go with which nucleus.
    labels
        The nuclei, of the same shape.
    """

    def __init__(
        self, layer: Any, whole: Floats, rule: NucleusRule, labels: npt.NDArray[np.integer]
    ) -> None:
        super().__init__(layer, whole, rule)
        self._owners, self._labels = rule.owners, labels
        self._marked = 0

    def mark(self, label: int) -> None:
        """Draw the line around a nucleus outwards as far as its surroundings go; 0: no one's."""
        self._marked = label
        self._done.clear()

    @property
    def _plain(self) -> bool:
        return not self._marked

    def _draw(self, shown: Floats, where: tuple[Any, ...]) -> None:
        if not self._marked:
            return
        own = self._owners[where] == self._marked
        line = self.whole[where][own]
        if np.isfinite(line).any():
            around = own & (self._labels[where] == 0)
            np.copyto(shown[where], np.nanmax(line), where=around)
