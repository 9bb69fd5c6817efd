"""Probabilities of an image, plane by plane, and how objects are made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import Plane, place_of_z, plane_slices, runs_along_z

from .confidence import sure_enough
from .instances import LabelOptions, foreground, keep_objects, label_plane, without_labels
from .runs import count_in_runs
from .sizes import ObjectSizes
from .stack import StackObjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import RegionMasks
    from napari_cytosynth.zoo.card import Splitting

    from .flows.objects import FlowObjects
    from .flows.planes import OwnedPlanes
    from .tree import ComponentTree, TreeView

__all__ = ["CutTree", "LabelledAnew", "SegmentedPlanes"]


# Up to so many pixels a plane is labelled in a tenth of a second.
_LABELLED_ANEW = 2**22


class CutTree:
    """Objects of a plane at all thresholds but those that the border of a region cuts.

    Parameters
    ----------
    tree
        Objects of the plane.
    cut
        Pixels (flat indices) whose objects are left out.
    stack
        The planes are those of a stack: while they are linked, objects are left out as a whole,
        which is not done here.
    """

    def __init__(
        self, tree: ComponentTree | FlowObjects, cut: npt.NDArray[np.intp], *, stack: bool
    ) -> None:
        self._tree, self._cut, self._stack = tree, cut, stack

    def at(
        self,
        threshold: float,
        options: LabelOptions | None = None,
        *,
        out: npt.NDArray[np.int32] | None = None,
    ) -> TreeView:
        """Return the objects at a threshold, as :meth:`ComponentTree.at` does."""
        view = self._tree.at(threshold, options, out=out)
        if self._stack and (options is None or options.link_planes):
            return view
        return view.without(view.labels.ravel()[self._cut])


class LabelledAnew:
    """Objects of a plane, labelled at each threshold: they stand in for its component tree."""

    def __init__(self, segmentation: SegmentedPlanes, plane: Plane) -> None:
        self._segmentation, self._plane = segmentation, plane

    def at(
        self, threshold: float, options: LabelOptions, *, out: npt.NDArray[np.int32] | None = None
    ) -> TreeView:
        """Return the objects at a threshold, as :meth:`ComponentTree.at` does."""
        from napari_cytosynth.tasks.link import object_areas

        from .tree import TreeView

        options = replace(options, threshold=threshold, split_touching=False)
        labels = self._segmentation.label_plane(self._plane, options)
        return TreeView(threshold, labels, object_areas(labels)[1:])


@dataclass(eq=False, repr=False)
class SegmentedPlanes:
    """Probabilities of all planes of an image, and their objects at a threshold.

    The attributes are those of :class:`~.result.Segmentation`.
    """

    probability: Any
    axes: str
    options: LabelOptions
    extra: dict[str, Any] = field(default_factory=dict)
    splitting: Splitting | None = None
    owned: OwnedPlanes | None = None
    model_threshold: float = 0.5
    region: RegionMasks | None = None
    # objects of the stack, by the options that change their shape: of all thresholds
    _stacks: dict[tuple[bool, bool], StackObjects] = field(default_factory=dict)
    _sizes: dict[tuple[bool, bool], ObjectSizes] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of :attr:`probability`."""
        return tuple(self.probability.shape)

    @property
    def pixel_count(self) -> int:
        """Number of pixels in which objects can lie: those of the region, if any."""
        if self.region is None:
            return int(np.prod(self.shape))
        return sum(int(self.region.mask(plane).sum()) for plane in self.plane_indices())

    @property
    def links_planes(self) -> bool:
        """Whether objects of neighbouring planes along Z are one object of the stack."""
        return self.options.link_planes and "Z" in self.axes

    @property
    def splits_by_flows(self) -> bool:
        """Whether touching objects are split, and by flows: then the live ones are too."""
        return self.owned is not None and self.options.split_touching

    @property
    def has_confidence(self) -> bool:
        """Whether it is known how confident one can be in each object."""
        return self.owned is not None and self.splits_by_flows and self.owned.gives_confidence

    def plane_indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each plane into the leading axes; ``()`` for a single plane."""
        shape = zip(self.axes, self.probability.shape, strict=True)
        return iter(np.ndindex(*(size for axis, size in shape if axis not in "YX")))

    def probability_plane(self, plane: Plane = ()) -> npt.NDArray[np.float32]:
        """Return the probability (Y, X) of one plane."""
        return np.asarray(self.probability[plane_slices(self.axes, plane)])

    def foreground_plane(
        self, plane: Plane = (), options: LabelOptions | None = None
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

    def strength_plane(self, plane: Plane = ()) -> npt.NDArray[np.float32]:
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

    def label_plane(
        self, plane: Plane = (), options: LabelOptions | None = None
    ) -> npt.NDArray[np.int32]:
        """Return the labels (Y, X) of one plane, numbered from 1.

        Of models with flows, if touching objects are split: pixels of the same owner that are
        connected to it at the threshold, in the order of the owners' first pixels; elsewhere as
        :func:`~napari_cytosynth.tasks.segment.instances.label_plane` says.
        """
        return self._label(plane, options or self.options)[0]

    def cut_pixels(self, plane: Plane, *, linked: bool = False) -> npt.NDArray[np.intp]:
        """Return the pixels of a plane (flat indices) whose objects are left out as cut ones.

        Parameters
        ----------
        plane
            Index of the plane.
        linked
            Objects go on along Z: planes without the region cut them, too. Default: False.
        """
        if self.region is None or not self.region.drops:
            return np.zeros(0, np.intp)
        return self.region.edge(plane, self.along_z if linked else None)

    @property
    def along_z(self) -> tuple[int, int] | None:
        """The place of Z in the index of a plane, and its number of planes; None without it."""
        return place_of_z(self.axes, self.probability.shape)

    def _label(self, plane: Plane, options: LabelOptions) -> tuple[npt.NDArray[np.int32], int]:
        """Return the labels of a plane, and the number of objects hidden in it."""
        labels, hidden = self._all_labels(plane, options)
        if options.link_planes and "Z" in self.axes:
            return labels, hidden  # whole objects of the stack are left out
        return without_labels(labels, labels.ravel()[self.cut_pixels(plane)]), hidden

    def _all_labels(self, plane: Plane, options: LabelOptions) -> tuple[npt.NDArray[np.int32], int]:
        if self.owned is not None and options.split_touching:
            self.owned.check(options)
            plane_of = self.owned.objects(plane, self.probability_plane(plane), options.threshold)
            view = plane_of.at(options.threshold, options)
            self.owned.keep_filled(plane, plane_of)  # a stack is cut by them, later
            return view.labels, view.hidden
        where = plane_slices(self.axes, plane)
        seeds = self.extra.get(self.splitting.channel) if self.splitting else None
        seeds = None if seeds is None else np.asarray(seeds[where])
        return label_plane(np.asarray(self.probability[where]), seeds, options, self.splitting), 0

    def tree(self, plane: Plane = ()) -> ComponentTree | FlowObjects | CutTree:
        """Prepare the objects of one plane at all thresholds (a second: do it in a worker).

        Where touching objects are split by flows, labels are those of :meth:`label_plane`;
        elsewhere touching objects are not split.
        """
        from .tree import ComponentTree

        levels = self.model_threshold, self.options.threshold
        probability = self.probability_plane(plane)
        tree: ComponentTree | FlowObjects
        if self.owned is not None and self.splits_by_flows:
            tree = self.owned.objects(plane, probability, *levels)
        else:
            tree = ComponentTree(probability, extra_levels=levels)
        tree.prepare_holes()  # here, not at the first drag with fill_holes
        cut = self.cut_pixels(plane)
        return CutTree(tree, cut, stack="Z" in self.axes) if len(cut) else tree

    def labelled_anew(self, plane: Plane = ()) -> LabelledAnew | None:
        """Return what stands in for :meth:`tree` until that is prepared.

        None for a plane that is too large, or whose touching objects are split by flows.
        """
        small = self.probability_plane(plane).size <= _LABELLED_ANEW
        return LabelledAnew(self, plane) if small and not self.splits_by_flows else None

    def mean_confidence(
        self, planes: Iterable[tuple[Plane, npt.NDArray[np.integer]]], count: int
    ) -> npt.NDArray[np.float64] | None:
        """Return the mean confidence over the pixels of any objects; None where it is unknown.

        Parameters
        ----------
        planes
            Index and labels (Y, X) of each plane.
        count
            The highest label.
        """
        if self.owned is None or not self.has_confidence:
            return None
        return self.owned.mean_confidence(planes, count)

    def confidence_of(self, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.float64] | None:
        """Return the confidence in each object, by its label from 0 on; None where unknown.

        Parameters
        ----------
        labels
            Of all planes, from :meth:`label_planes`.
        """
        if self.owned is None or not self.has_confidence:
            return None
        if self.links_planes:
            return self.stack_objects().confidence_of(labels, self)
        return self.owned.confidence_of_labels(labels)

    def stack_objects(self, progress: Progress = silent) -> StackObjects:
        """Return the objects of the stack at the model's threshold, linked when first asked for.

        Results of other thresholds share them.

        Parameters
        ----------
        progress
            Called before each plane. Default: none.
        """
        key = (self.options.fill_holes, self.options.split_touching)
        found = self._stacks.get(key)
        if found is None:
            found = StackObjects(self, self.options, progress)
            for kept in (self._stacks, self._sizes):
                kept.clear()  # large: those of the options in use are enough
            self._stacks[key] = found
        return found

    def object_sizes(self, progress: Progress = silent) -> ObjectSizes:
        """Prepare the live count of a stack whose planes are linked (do it in a worker)."""
        key = (self.options.fill_holes, self.options.split_touching)
        found = self._sizes.get(key)
        if found is None:
            found = self._sizes[key] = ObjectSizes(self.stack_objects(progress), self, progress)
        return found

    @property
    def prepared_sizes(self) -> ObjectSizes | None:
        """What :meth:`object_sizes` returns, if it is prepared for the options in use."""
        return self._sizes.get((self.options.fill_holes, self.options.split_touching))

    def label_planes(self, progress: Progress) -> tuple[npt.NDArray[np.int32], list[int]]:
        """Label all planes.

        Parameters
        ----------
        progress
            Called before each plane, and at the end.

        Returns
        -------
        labels
            int32, of the whole.
        hidden
            Objects left out for their low confidence: of each run along Z, where planes are
            linked; else a single number.
        """
        if self.links_planes:
            labels = self.stack_objects(progress).labels_at(self, self.options, progress)
            return labels, self._hide_doubtful(labels)
        labels = np.zeros(self.probability.shape, np.int32)
        planes = list(self.plane_indices())
        last = hidden = 0
        for done, plane in enumerate(planes):
            progress(done, len(planes), "labelling")
            found, left_out = self._label(plane, self.options)
            hidden += left_out
            labels[plane_slices(self.axes, plane)] = np.where(found > 0, found + last, 0)
            last += int(found.max(initial=0))
        progress(len(planes), len(planes), "labelling")
        return labels, [hidden]

    def _hide_doubtful(self, labels: npt.NDArray[np.int32]) -> list[int]:
        """Drop doubtful objects of a stack, in place, and count them in each run."""
        least, confidence = self.options.min_confidence, self.confidence_of(labels)
        if confidence is None or least == 0:
            return [0] * len(runs_along_z(self.axes, self.shape))
        hidden = count_in_runs(labels, self.axes, confidence < least)
        places = [plane_slices(self.axes, plane) for plane in self.plane_indices()]
        keep_objects(labels, places, sure_enough(confidence, least))
        return hidden
