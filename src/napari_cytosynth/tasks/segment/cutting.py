"""The planes of a segmentation, and what is left of their objects at a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices

from .stack import foreground

if TYPE_CHECKING:
    import numpy.typing as npt

    from .flows.planes import OwnedPlanes
    from .instances import LabelOptions

__all__ = ["CutPlanes"]


class CutPlanes:
    """Planes of a segmentation that are cut at a threshold; its fields are the segmentation's."""

    probability: Any
    axes: str
    options: LabelOptions
    owned: OwnedPlanes | None

    @property
    def splits_by_flows(self) -> bool:
        """Whether touching objects are split, and by flows: then the live ones are too."""
        return self.owned is not None and self.options.split_touching

    def probability_plane(self, plane: tuple[int, ...] = ()) -> npt.NDArray[np.float32]:
        """Return the probability (Y, X) of one plane."""
        return np.asarray(self.probability[plane_slices(self.axes, plane)])

    def foreground_plane(
        self, plane: tuple[int, ...] = (), options: LabelOptions | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return which pixels (Y, X) of a plane's objects are left of them at a threshold.

        Pixels at or above it, holes filled if asked; of objects from flows, those at or above it
        that are still connected to their objects.
        """
        options = options or self.options
        probability = self.probability_plane(plane)
        if self.owned is not None and options.split_touching:
            return self.owned.reached(plane, probability, options)
        return foreground(probability, options)

    def strength_plane(self, plane: tuple[int, ...] = ()) -> npt.NDArray[np.float32]:
        """Return the highest threshold at which each pixel (Y, X) of a plane is foreground.

        The probability; of objects from flows, the last of :attr:`strength_levels`.
        """
        probability = self.probability_plane(plane)
        if self.owned is None or not self.splits_by_flows:
            return probability
        filled = self.options.fill_holes
        heights = self.owned.heights_of(plane, probability, filled=filled)
        return np.concatenate([[np.float32(0)], self.owned.levels])[heights]

    @property
    def strength_levels(self) -> npt.NDArray[np.float32] | None:
        """Thresholds that :meth:`strength_plane` tells apart; None for all of them."""
        return self.owned.levels if self.owned is not None and self.splits_by_flows else None
