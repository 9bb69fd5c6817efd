"""The objects at every threshold, from one component tree of a probability plane.

Raising a threshold only ever shrinks, splits and removes objects, so that the objects of
all thresholds form a tree (the max-tree: Salembier, Oliveras, Garrido, IEEE TIP 7, 1998).
Numbering its nodes depth first makes every object a contiguous run of nodes, whose area
and position are known beforehand; a drag step is then a look-up and a painting. Holes are
the objects of the complement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .instances import LabelOptions, without_labels
from .max_tree import MaxTreeBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = ["ComponentTree", "TreeView", "ranks", "slider_levels"]


@dataclass(frozen=True, eq=False)
class TreeView:
    """Objects of one plane at one threshold.

    Attributes
    ----------
    threshold
        The level in use: the one nearest to the requested threshold.
    labels
        (Y, X) int32, 0 is background.
    areas
        Pixels of object 1, 2, … (object i has ``areas[i - 1]``).
    owners
        Of objects from flows: the owner of object 1, 2, …, which stays the same at all
        thresholds. Default: None.
    confidence
        In object 1, 2, …, in [0, 1]. Default: None, unknown.
    hidden
        Number of objects that are left out for their low confidence. Default: 0.
    """

    threshold: float
    labels: npt.NDArray[np.int32]
    areas: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32] | None = None
    confidence: npt.NDArray[np.floating] | None = None
    hidden: int = 0

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.areas)

    @property
    def total_area(self) -> int:
        """Pixels of all objects together."""
        return int(self.areas.sum())

    def without(self, ids: npt.NDArray[np.integer]) -> TreeView:
        """Return the view without some objects; its labels are those of this one, renumbered.

        Parameters
        ----------
        ids
            Of the objects; 0 is none.
        """
        keep = np.ones(self.count + 1, bool)
        keep[ids] = False
        if keep[1:].all():
            return self
        without_labels(self.labels, ids, out=self.labels)
        owners = None if self.owners is None else self.owners[keep[1:]]
        confidence = None if self.confidence is None else self.confidence[keep[1:]]
        return replace(self, areas=self.areas[keep[1:]], owners=owners, confidence=confidence)


class ComponentTree:
    """The objects of one probability plane at all thresholds.

    Building takes a few hundred nanoseconds a pixel (do it in a worker); then any
    threshold is a matter of milliseconds. Thresholds are 0.0001 apart up to 0.05 and
    0.001 above. At each of these, the labels equal those of
    :func:`~napari_cytosynth.tasks.segment.instances.label_plane` without ``split_touching``, to
    the pixel and to the id.

    Parameters
    ----------
    plane
        (Y, X), in [0, 1]; NaN is background.
    extra_levels
        Further thresholds that are to be exact, for example the model's own. Default: none.

    Raises
    ------
    InputError
        If `plane` does not have two axes.
    """

    def __init__(self, plane: npt.NDArray[np.floating], extra_levels: Iterable[float] = ()) -> None:
        if plane.ndim != 2:
            raise InputError(f"A component tree needs one plane (Y, X), not {plane.ndim} axes.")
        self.shape = plane.shape
        self.levels = slider_levels(extra_levels)
        self._rank = ranks(plane, self.levels)
        self._objects = _Tree(self._rank, 2) if plane.size else None
        self._complement: _Tree | None = None

    @property
    def holes_ready(self) -> bool:
        """Whether :meth:`at` is fast with ``fill_holes`` too."""
        return self._complement is not None or self._objects is None

    def prepare_holes(self) -> None:
        """Build the complement's tree ahead of the first ``fill_holes``.

        It takes as long as the tree itself: do it in a worker.
        """
        if self._complement is None and self._objects is not None:
            inverse = np.uint16(len(self.levels)) - self._rank
            complement = _Tree(inverse, 1)
            complement.sort_pixels()
            self._complement = complement

    def at(
        self,
        threshold: float,
        options: LabelOptions | None = None,
        *,
        out: npt.NDArray[np.int32] | None = None,
    ) -> TreeView:
        """Return the objects at a threshold.

        Parameters
        ----------
        threshold
            In [0, 1]; the nearest level is used (see :attr:`TreeView.threshold`).
        options
            ``min_size``, ``fill_holes`` and ``drop_border`` apply; its threshold and
            ``split_touching`` do not. None (default) for none of them.
        out
            C-contiguous (Y, X) int32 array that the labels are written into. None (default)
            allocates it.
        """
        options = options or LabelOptions(threshold)
        level = int(np.abs(self.levels - np.float32(threshold)).argmin())
        labels = np.empty(self.shape, np.int32) if out is None else out
        if self._objects is None:
            return TreeView(float(self.levels[level]), labels, np.zeros(0, np.int64))
        if options.fill_holes:
            self.prepare_holes()
            areas = self._paint_filled(level, options, labels.reshape(-1))
        else:
            roots = self._objects.roots(level + 1)
            ids, areas = self._number(roots, self._objects.areas(roots), options)
            self._objects.paint(roots, ids, labels.reshape(-1))
        return TreeView(float(self.levels[level]), labels, areas)

    def _number(
        self, roots: Integers, areas: npt.NDArray[np.int64], options: LabelOptions
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return ids in raster order of first pixels, 0 for dropped objects, and the areas kept."""
        assert self._objects is not None
        keep = areas >= max(options.min_size, 1)
        if options.drop_border:
            keep &= ~self._objects.border[roots]
        kept = np.flatnonzero(keep)
        kept = kept[np.argsort(self._objects.first[roots[kept]])]
        ids = np.zeros(len(roots), np.int32)
        ids[kept] = np.arange(1, len(kept) + 1)
        return ids, areas[kept]

    def _paint_filled(
        self, level: int, options: LabelOptions, flat: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.int64]:
        assert self._objects is not None
        assert self._complement is not None
        roots = self._objects.roots(level + 1)
        gaps = self._complement.roots(len(self.levels) - level)
        outermost, owner = self._enclosure(roots, gaps)
        holes = owner >= 0
        gaps, owner = gaps[holes], outermost[owner[holes]]
        areas = np.bincount(outermost, self._objects.areas(roots), len(roots))
        areas += np.bincount(owner, self._complement.areas(gaps), len(roots))
        ids, kept = self._number(roots, areas.astype(np.int64), options)
        self._objects.paint(roots, ids[outermost], flat)
        self._complement.repaint(gaps, ids[owner], flat)
        return kept

    def _enclosure(self, roots: Integers, gaps: Integers) -> tuple[Integers, Integers]:
        """Return the outermost object around each object, and that around each gap (-1: none).

        The pixel above the first pixel of a hole belongs to the object around it; the
        pixel above the first pixel of an object belongs to the gap around that.
        """
        assert self._objects is not None
        assert self._complement is not None
        width = self.shape[1]
        owner = np.full(len(gaps), -1)
        holes = np.flatnonzero(~self._complement.border[gaps])
        above = self._complement.first[gaps[holes]] - width
        owner[holes] = self._objects.find(above, roots)
        outer = np.arange(len(roots))
        first = self._objects.first[roots]
        inner = np.flatnonzero(first >= width)
        around = owner[self._complement.find(first[inner] - width, gaps)] if len(gaps) else inner
        outer[inner] = np.where(around >= 0, around, inner)
        while not np.array_equal(outer[outer], outer):
            outer = outer[outer]
        return outer, owner


class _Tree:
    """Max-tree whose nodes are numbered depth first; arrays have one entry per node."""

    level: npt.NDArray[np.int16]
    parent_level: npt.NDArray[np.int16]
    end: npt.NDArray[np.int32]  # one past the last descendant
    border: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int32]  # first pixel in raster order
    node: npt.NDArray[np.intp]  # node of each pixel

    def __init__(self, image: npt.NDArray[np.uint16], connectivity: int) -> None:
        built = MaxTreeBuilder(image, connectivity)
        above, level = built.parent, built.level
        first = np.empty(len(above), np.int32)
        first[built.node[::-1]] = np.arange(image.size - 1, -1, -1, dtype=np.int32)
        size = _accumulate(above, level, first)
        position = _depth_first(above, level, size)
        self._fill(position, above, level, size, first)
        self._pixels(position[built.node], image.shape)

    def _fill(
        self,
        position: Integers,
        above: Integers,
        level: npt.NDArray[np.int16],
        size: Integers,
        first: Integers,
    ) -> None:
        order = np.empty_like(position)
        order[position] = np.arange(len(position))
        self.level = level[order]
        self.parent_level = level[above[order]]
        self.parent_level[0] = -1
        self.end = (position + size)[order].astype(np.int32)
        self.first = first[order].astype(np.int32)

    def _pixels(self, node: Integers, shape: tuple[int, ...]) -> None:
        self.node = node.astype(np.intp)
        self._start = _starts(self.node, len(self.level))
        edge = np.zeros(shape, bool)
        edge[[0, -1]] = edge[:, [0, -1]] = True
        touching = _starts(self.node[edge.ravel()], len(self.level))
        self.border = touching[self.end] > touching[:-1]
        self._order: npt.NDArray[np.int32] | None = None

    def roots(self, level: int) -> npt.NDArray[np.intp]:
        """Return the node of each connected component of ``image >= level``, ascending."""
        return np.flatnonzero((self.level >= level) & (self.parent_level < level))

    def areas(self, nodes: Integers) -> npt.NDArray[np.int64]:
        """Return the number of pixels of each component."""
        return self._start[self.end[nodes]] - self._start[nodes]

    def find(self, pixels: Integers, roots: Integers) -> npt.NDArray[np.intp]:
        """Return which of the components each pixel lies in (it must lie in one)."""
        return np.searchsorted(roots, self.node[pixels], side="right") - 1

    def paint(
        self, roots: Integers, ids: npt.NDArray[np.int32], out: npt.NDArray[np.int32]
    ) -> None:
        """Write `ids` into the pixels of the components and 0 into all others."""
        edges = np.empty(2 * len(roots) + 2, np.intp)
        edges[0], edges[-1] = 0, len(self.level)
        edges[1:-1:2], edges[2:-1:2] = roots, self.end[roots]
        values = np.zeros(2 * len(roots) + 1, np.int32)
        values[1::2] = ids
        np.take(np.repeat(values, np.diff(edges)), self.node, out=out, mode="clip")

    def sort_pixels(self) -> npt.NDArray[np.int32]:
        """Return the pixels in the order of their nodes."""
        if self._order is None:
            self._order = np.argsort(self.node, kind="stable").astype(np.int32)
        return self._order

    def repaint(
        self, roots: Integers, ids: npt.NDArray[np.int32], out: npt.NDArray[np.int32]
    ) -> None:
        """Write `ids` into the pixels of the components where not 0; leave all others."""
        order = self.sort_pixels()
        roots, ids = roots[ids > 0], ids[ids > 0]
        areas = self.areas(roots)
        skipped = self._start[roots] - (np.cumsum(areas) - areas)
        run = np.arange(areas.sum()) + np.repeat(skipped, areas)
        out[order[run]] = np.repeat(ids, areas)


def slider_levels(extra: Iterable[float] = ()) -> npt.NDArray[np.float32]:
    """Return the thresholds that are exact, ascending: those of the slider, and `extra` ones."""
    grid = [np.arange(500) / 1e4, np.arange(50, 1001) / 1e3, np.asarray(list(extra), float)]
    return np.unique(np.concatenate(grid).astype(np.float32))


def ranks(
    plane: npt.NDArray[np.floating], levels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint16]:
    """Return (Y, X) uint16: how many levels a pixel reaches (p >= levels[i] <=> rank > i).

    NaN reaches none.
    """
    values = np.nan_to_num(np.asarray(plane, np.float32), nan=-1.0)
    return np.searchsorted(levels, values, side="right").astype(np.uint16)


def _starts(groups: Integers, count: int) -> npt.NDArray[np.int64]:
    """Return the start of each group among the sorted members, and the end of the last."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(groups, minlength=count), out=starts[1:])
    return starts


def _by_level(level: npt.NDArray[np.int16]) -> list[npt.NDArray[np.intp]]:
    """Return the nodes of each level, lowest first; the root is alone on its level."""
    order = np.argsort(level, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(level[order])) + 1)


def _accumulate(above: Integers, level: npt.NDArray[np.int16], first: Integers) -> Integers:
    """Return the size of each subtree; lower `first` to the first pixel of the subtree."""
    size = np.ones(len(above), np.int32)
    for nodes in _by_level(level)[:0:-1]:
        np.add.at(size, above[nodes], size[nodes])
        np.minimum.at(first, above[nodes], first[nodes])
    return size


def _depth_first(above: Integers, level: npt.NDArray[np.int16], size: Integers) -> Integers:
    """Return depth-first positions: a node after its parent and its elder siblings' subtrees."""
    order = np.argsort(above, kind="stable")
    root = len(above) - 1
    order = order[order != root]
    before = np.cumsum(size[order]) - size[order]
    family = above[order]
    eldest = np.flatnonzero(np.diff(family, prepend=-1))
    before -= np.repeat(before[eldest], np.diff(eldest, append=len(order)))
    offset = np.zeros(len(above), np.int64)
    offset[order] = before + 1
    position = np.zeros(len(above), np.int64)
    for nodes in _by_level(level)[1:]:
        position[nodes] = position[above[nodes]] + offset[nodes]
    return position
