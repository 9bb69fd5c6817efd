"""The objects at every threshold, from one component tree of a probability plane.

Raising a threshold only ever shrinks, splits and removes objects, so that the objects of
all thresholds form a tree (see :mod:`.merge_tree`); a drag step is then a look-up and a
painting. Holes are the objects of the complement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from .instances import LabelOptions, without_labels
from .merge_tree import MergeTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from .merge_tree import Components

    Integers = npt.NDArray[np.integer]

__all__ = ["ComponentTree", "TreeView", "ranks", "slider_levels"]

_LOWER_BITS = 12  # of a float32; the higher ones tell most levels apart


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

    Building takes about a hundred nanoseconds a pixel (do it in a worker); then any
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
        self._objects = MergeTree(self._rank, 2) if plane.size else None
        self._complement: MergeTree | None = None

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
            complement = MergeTree(inverse, 1, inverse_of=self._objects)
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
            objects = self._objects.at(level + 1)
            ids, areas = self._number(objects, objects.areas, options)
            self._objects.paint(objects, ids, labels.reshape(-1))
        return TreeView(float(self.levels[level]), labels, areas)

    def _number(
        self, objects: Components, areas: npt.NDArray[np.int64], options: LabelOptions
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return ids in raster order of first pixels, 0 for dropped objects, and the areas kept."""
        keep = areas >= max(options.min_size, 1)
        if options.drop_border:
            keep &= ~objects.border
        kept = np.flatnonzero(keep)
        kept = kept[np.argsort(objects.first[kept])]
        ids = np.zeros(len(areas), np.int32)
        ids[kept] = np.arange(1, len(kept) + 1)
        return ids, areas[kept]

    def _paint_filled(
        self, level: int, options: LabelOptions, flat: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.int64]:
        assert self._objects is not None
        assert self._complement is not None
        objects = self._objects.at(level + 1)
        gaps = self._complement.at(len(self.levels) - level)
        outermost, owner = self._enclosure(objects, gaps)
        holes = np.flatnonzero(owner >= 0)
        owner[holes] = outermost[owner[holes]]
        areas = np.bincount(outermost, objects.areas, len(objects.areas))
        areas += np.bincount(owner[holes], gaps.areas[holes], len(objects.areas))
        ids, kept = self._number(objects, areas.astype(np.int64), options)
        self._objects.paint(objects, ids[outermost], flat)
        filled = np.zeros(len(gaps.areas), np.int32)
        filled[holes] = ids[owner[holes]]
        if filled.any():
            self._complement.repaint(gaps, filled, flat)
        return kept

    def _enclosure(self, objects: Components, gaps: Components) -> tuple[Integers, Integers]:
        """Return the outermost object around each object, and that around each gap (-1: none).

        The pixel above the first pixel of a hole belongs to the object around it; the
        pixel above the first pixel of an object belongs to the gap around that.
        """
        assert self._objects is not None
        assert self._complement is not None
        width = self.shape[1]
        owner = np.full(len(gaps.areas), -1)
        holes = np.flatnonzero(~gaps.border)
        owner[holes] = self._objects.find(gaps.first[holes] - width, objects)
        outer = np.arange(len(objects.areas))
        inner = np.flatnonzero(objects.first >= width)
        around = owner[self._complement.find(objects.first[inner] - width, gaps)]
        outer[inner] = np.where(around >= 0, around, inner)
        while not np.array_equal(outer[outer], outer):
            outer = outer[outer]
        return outer, owner


def slider_levels(extra: Iterable[float] = ()) -> npt.NDArray[np.float32]:
    """Return the thresholds that are exact, ascending: those of the slider, and `extra` ones."""
    grid = [np.arange(500) / 1e4, np.arange(50, 1001) / 1e3, np.asarray(list(extra), float)]
    return np.unique(np.concatenate(grid).astype(np.float32))


def ranks(
    plane: npt.NDArray[np.floating], levels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint16]:
    """Return (Y, X) uint16: how many levels a pixel reaches (p >= levels[i] <=> rank > i).

    NaN reaches none.

    Parameters
    ----------
    plane
        (Y, X), of any values.
    levels
        Ascending, from 0 on, at most 1.
    """
    values = np.nan_to_num(np.asarray(plane, np.float32), nan=-1.0)
    # numbers from 0 on are in the order of their bits: a table of the higher ones is near
    bits = values.view(np.int32) >> _LOWER_BITS
    last = int(np.float32(1).view(np.int32)) >> _LOWER_BITS
    lowest = (np.arange(last + 1, dtype=np.int32) << _LOWER_BITS).view(np.float32)
    table = np.searchsorted(levels, lowest, side="right").astype(np.uint16)
    table = np.concatenate([np.zeros(1, np.uint16), table])
    rank: npt.NDArray[np.uint16] = np.take(table, np.clip(bits, -1, last) + 1)
    above = np.append(levels, np.float32(np.inf))
    for _ in range(int(np.diff(table[1:]).max())):
        rank += values >= np.take(above, rank)
    return rank
