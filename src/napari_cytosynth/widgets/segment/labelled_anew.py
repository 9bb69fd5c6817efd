"""What stands in for the component tree of a plane until it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.tasks.segment.tree import TreeView

    from .job import Plane

__all__ = ["LabelledAnew", "labelled_anew"]

# Up to so many pixels it takes a tenth of a second.
LARGEST = 2**22


class LabelledAnew:
    """Objects of a plane, labelled at each threshold: they stand in for its component tree."""

    def __init__(self, segmentation: Any, plane: Plane) -> None:
        self._segmentation, self._plane = segmentation, plane

    def at(
        self, threshold: float, options: LabelOptions, *, out: np.ndarray | None = None
    ) -> TreeView:
        """Return the objects at a threshold, as :meth:`ComponentTree.at` does."""
        from napari_cytosynth.tasks.link import object_areas
        from napari_cytosynth.tasks.segment.tree import TreeView

        options = replace(options, threshold=threshold, split_touching=False)
        labels = self._segmentation.label_plane(self._plane, options)
        return TreeView(threshold, labels, object_areas(labels)[1:])


def labelled_anew(segmentation: Any, plane: Plane) -> LabelledAnew | None:
    """Return the stand-in; None for a plane that is too large or split by flows."""
    small = segmentation.probability_plane(plane).size <= LARGEST
    return LabelledAnew(segmentation, plane) if small and not segmentation.splits_by_flows else None
