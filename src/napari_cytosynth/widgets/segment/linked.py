"""The linked objects of a stack in the viewer: one plane, and the count of the whole stack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.segment.confidence import sure_enough

if TYPE_CHECKING:
    from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.tasks.segment.tree import ComponentTree

    from .job import Plane, StackCounts

__all__ = ["LinkedCounts", "linked_plane", "planes_corrected_elsewhere"]

_AT_ONCE = 12  # planes that are labelled within a frame


def linked_plane(
    segmentation: Any, plane: Plane, options: LabelOptions, tree: ComponentTree | FlowObjects | None
) -> np.ndarray | None:
    """Return the labels (Y, X) of a plane with the numbers of the stack, at once.

    Parameters
    ----------
    segmentation
        Result whose planes are linked.
    plane
        Index of the plane.
    options
        Options of the labels.
    tree
        Objects of the plane at all thresholds; they are needed below the model's threshold.

    Returns
    -------
    ndarray or None
        None until what it takes is prepared.
    """
    sizes = _sizes(segmentation, options)
    if sizes is None:
        return None
    alive, confidence = sizes.alive(options), sizes.stack.confidence
    if options.threshold >= sizes.stack.threshold:
        kept = sizes.stack.plane_at(plane, segmentation.foreground_plane(plane, options))
        if alive is not None:
            return _only(kept, alive)
    elif tree is not None:
        # objects are dropped as a whole, when the whole stack is labelled
        whole = replace(options, min_size=0, drop_border=False, min_confidence=0)
        view = tree.at(options.threshold, whole)
        kept = sizes.stack.renumbered(plane, view.labels)
        if confidence is not None and view.confidence is not None:
            confidence = np.concatenate([confidence, view.confidence])  # numbers beyond all others
    else:
        return None
    return (
        kept if confidence is None else _only(kept, sure_enough(confidence, options.min_confidence))
    )


def planes_corrected_elsewhere(
    segmentation: Any, plane: Plane, run: list[Plane], options: LabelOptions
) -> dict[Plane, np.ndarray]:
    """Return the labels (Y, X) of the other planes of a run in which the user corrected objects.

    They are known at once from the model's threshold on, and are left out below it; of many
    planes, those of the last corrections are returned.
    """
    made = reversed([one.plane for one in segmentation.corrections.done])
    others = [one for one in dict.fromkeys(made) if one in run and one != plane][:_AT_ONCE]
    sizes = _sizes(segmentation, options)
    if sizes is None or options.threshold < sizes.stack.threshold:
        return {}
    found = {one: linked_plane(segmentation, one, options, None) for one in others}
    return {one: labels for one, labels in found.items() if labels is not None}


def _only(labels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return labels without the objects that are not kept."""
    labels *= keep[labels]
    return labels


def _sizes(segmentation: Any, options: LabelOptions) -> Any:
    """Return the sizes of the objects for some options, or None until they are prepared."""
    same = (options.fill_holes, options.split_touching) == (
        segmentation.options.fill_holes,
        segmentation.options.split_touching,
    )
    return segmentation.prepared_sizes if same else None


def _in_run(counts: list[int] | None, run: int) -> int | None:
    return None if counts is None else counts[run]


class LinkedCounts:
    """Counts of the objects of a stack while its threshold moves.

    They are known at once from the model's threshold on; below it, and for some options, they
    are counted in the background, and the last count says for which threshold it is.
    """

    def __init__(self) -> None:
        self._counted: tuple[LabelOptions, StackCounts] | None = None

    def add(self, options: LabelOptions, counts: StackCounts) -> None:
        """Keep the counts that were made in the background."""
        self._counted = options, counts

    def _counted_at(self, options: LabelOptions) -> StackCounts | None:
        """Return the counts of the labels for some options, if these are the last counted."""
        if self._counted is None or self._counted[0] != options:
            return None
        return self._counted[1]

    def doubts(
        self, segmentation: Any, options: LabelOptions, run: int
    ) -> tuple[int | None, int | None]:
        """Return the number of doubtful objects of a run, and of hidden ones; None: unknown."""
        if (counts := self._counted_at(options)) is not None:
            return _in_run(counts.doubtful, run), _in_run(counts.hidden, run)
        sizes = _sizes(segmentation, options)
        if sizes is None or not segmentation.has_confidence:
            return None, None
        doubtful, shown = sizes.count_doubtful(options, run), sizes.count(options, run)
        everything = sizes.count(replace(options, min_confidence=0), run)
        return doubtful, None if shown is None else everything - shown

    def count(
        self, segmentation: Any, options: LabelOptions, run: int
    ) -> tuple[int | None, float | None]:
        """Return the number of objects of a run; and the threshold, if it is for another one."""
        if segmentation.corrections.done:  # of which the objects that were linked know nothing
            known = self._counted_at(options)
            return (None if known is None else known.runs[run]), None
        sizes = _sizes(segmentation, options)
        count = None if sizes is None else sizes.count(options, run)
        if count is not None or self._counted is None:
            return count, None
        counted, counts = self._counted
        if replace(counted, threshold=options.threshold) != options:
            return None, None
        return counts.runs[run], None if counted == options else counted.threshold

    def in_plane(
        self, segmentation: Any, options: LabelOptions, plane: Plane, shown: int
    ) -> int | None:
        """Return the number of objects in a plane; None until it is known.

        Parameters
        ----------
        segmentation
            Result whose planes are linked.
        options
            Options of the labels.
        plane
            Index of the plane.
        shown
            Objects that are shown in it: those too small or cut as a whole are among them, where
            this is found out from the labels of all planes.
        """
        if (counts := self._counted_at(options)) is not None:
            return counts.planes[plane]
        sizes = _sizes(segmentation, options)
        at_region = segmentation.region is not None and segmentation.region.drops
        drops = options.min_size > 1 or options.drop_border or at_region
        known = not drops or (sizes is not None and sizes.alive(options) is not None)
        return shown if known else None
