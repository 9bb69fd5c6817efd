"""The objects of a stack: those of its planes, linked once, with numbers that stay.

The planes are labelled and linked at the model's own threshold. From that threshold on, an
object is what is left of its pixels: none ever splits, and its number stays. Below it objects
grow: what one object of a plane then covers is one object, and what was not there before is
linked in the same way.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from napari_cytosynth.tasks.common.axes import Plane, plane_slices, runs_along_z
from napari_cytosynth.tasks.link import (
    LabelRuns,
    PlaneLinker,
    connected_groups,
    count_overlaps,
    object_areas,
)

from .instances import keep_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.link import Linking, SharedPixels

    from .instances import LabelOptions

    Labels = npt.NDArray[np.integer]

__all__ = [
    "LabelledPlanes",
    "StackObjects",
    "border_pixels",
]

T = TypeVar("T")


class LabelledPlanes(Protocol):
    """Planes of probabilities that can be labelled one by one."""

    axes: str
    model_threshold: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole, of the letters of `axes`."""

    def probability_plane(self, plane: Plane = ()) -> npt.NDArray[np.float32]:
        """Return the probability (Y, X) of one plane."""

    def strength_plane(self, plane: Plane = ()) -> npt.NDArray[np.float32]:
        """Return the highest threshold at which each pixel (Y, X) of a plane is foreground."""

    @property
    def strength_levels(self) -> npt.NDArray[np.float32] | None:
        """Thresholds that strengths tell apart; None for all of them."""

    def cut_pixels(self, plane: Plane, *, linked: bool = False) -> npt.NDArray[np.intp]:
        """Return the pixels of a plane (flat indices) whose objects are left out as cut ones."""

    def foreground_plane(
        self, plane: Plane = (), options: LabelOptions | None = None
    ) -> npt.NDArray[np.bool_]:
        """Return which pixels (Y, X) of a plane's objects are left of them at a threshold."""

    def label_plane(
        self, plane: Plane = (), options: LabelOptions | None = None
    ) -> npt.NDArray[np.int32]:
        """Return the labels (Y, X) of one plane, numbered from 1."""

    def mean_confidence(
        self, planes: Iterable[tuple[Plane, Labels]], count: int
    ) -> npt.NDArray[np.float64] | None:
        """Return the confidence in each object, by its label; None where it is unknown."""


class StackObjects:
    """The objects of a stack at the model's threshold; they keep their numbers at others.

    Runs along Z are linked, each by itself; their numbers continue. Sizes and border are
    those of whole objects: one of fewer voxels than ``min_size`` is dropped, and with
    ``drop_border`` one that touches the border of any of its planes.

    Parameters
    ----------
    planes
        The planes, and the model's threshold.
    options
        ``fill_holes`` and ``split_touching`` apply.
    progress
        Called before each plane.

    Attributes
    ----------
    local
        Labels (Y, X) of each plane at the model's threshold, numbered from 1.
    numbers
        Number in the stack of each of them, by its id in the plane.
    count
        Number of objects of all runs.
    runs
        Planes of each run.
    ends
        The last number of each run.
    confidence
        In each object, by its number: the mean over its pixels at the model's threshold. None
        where it is unknown.
    """

    def __init__(self, planes: LabelledPlanes, options: LabelOptions, progress: Progress) -> None:
        self.threshold = planes.model_threshold
        self.runs = list(runs_along_z(planes.axes, planes.shape).values())
        self.local: dict[Plane, Labels] = {}
        self.numbers: dict[Plane, npt.NDArray[np.int32]] = {}
        self.ends: list[int] = []
        self.count = 0
        plain = _plain(options, self.threshold)
        done, total = 0, sum(map(len, self.runs))
        for run in self.runs:
            linker = PlaneLinker()
            labelled = one_ahead(lambda plane: _compact(planes.label_plane(plane, plain)), run)
            for plane, local in zip(run, labelled, strict=True):
                progress(done, total, "linking the planes")
                self.local[plane] = local
                linker.add(local)
                done += 1
            self._number(run, linker.linking())
        self._volumes = np.zeros(self.count + 1, np.int64)
        for plane, local in self.local.items():
            np.add.at(self._volumes, self.numbers[plane], object_areas(local))
        numbered = ((plane, np.take(self.numbers[plane], ids)) for plane, ids in self.local.items())
        self.confidence = planes.mean_confidence(numbered, self.count)

    def _number(self, run: list[Plane], linking: Linking) -> None:
        for plane, numbers in zip(run, linking.numbers, strict=True):
            self.numbers[plane] = np.where(numbers > 0, numbers + self.count, 0).astype(np.int32)
        self.count += linking.count
        self.ends.append(self.count)

    # ------------------------------------------------------------------ one plane

    def plane_at(self, plane: Plane, left: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return the labels (Y, X) of a plane at the model's threshold or a higher one.

        Parameters
        ----------
        plane
            Index of the plane.
        left
            (Y, X), which pixels are left at that threshold: the planes' ``foreground_plane``.
        """
        labels = np.take(self.numbers[plane], self.local[plane])
        labels *= left
        return labels

    def renumbered(self, plane: Plane, pieces: Labels) -> npt.NDArray[np.int32]:
        """Return the labels of a plane below the model's threshold, as far as one plane tells.

        Parameters
        ----------
        plane
            Index of the plane.
        pieces
            Labels (Y, X) of the plane at that threshold. Each gets the number of the object
            that it shares most pixels with, or, without any, a number beyond all others.
        """
        shared = count_overlaps(pieces, self.local[plane])
        most = _most_shared(shared.first, shared.pixels)
        count = int(pieces.max(initial=0))
        numbers = np.concatenate([[0], self.count + np.arange(1, count + 1)]).astype(np.int32)
        numbers[shared.first[most]] = self.numbers[plane][shared.second[most]]
        return np.take(numbers, pieces)

    # ------------------------------------------------------------------ the whole stack

    def confidence_of(
        self, labels: npt.NDArray[np.int32], planes: LabelledPlanes
    ) -> npt.NDArray[np.float64] | None:
        """Return the confidence in each object of the stack at any threshold, by its label.

        Those of the model's threshold keep theirs. What appears below it has the mean over its
        own pixels. None where confidences are unknown.

        Parameters
        ----------
        labels
            Of the whole stack, from :meth:`labels_at`.
        planes
            The planes that the objects are of.
        """
        last = int(labels.max(initial=0))
        if self.confidence is None or last <= self.count:
            return self.confidence
        numbered = ((plane, labels[plane_slices(planes.axes, plane)]) for plane in self.local)
        own = planes.mean_confidence(numbered, last)
        if own is not None:
            own[: self.count + 1] = self.confidence
        return own

    def labels_at(
        self, planes: LabelledPlanes, options: LabelOptions, progress: Progress
    ) -> npt.NDArray[np.int32]:
        """Return the labels of the whole stack at any threshold, doubtful objects included.

        Parameters
        ----------
        planes
            The planes that the objects are of.
        options
            Those of the labelling.
        progress
            Called before each plane, and at the end.
        """
        labels = np.zeros(planes.shape, np.int32)
        places = [plane_slices(planes.axes, plane) for plane in self.local]
        if options.threshold >= self.threshold:
            for done, (plane, where) in enumerate(zip(self.local, places, strict=True)):
                progress(done, len(places), "labelling")
                labels[where] = self.plane_at(plane, planes.foreground_plane(plane, options))
        else:
            self._grow(labels, planes, options, progress)
        _drop(labels, places, options, [planes.cut_pixels(at, linked=True) for at in self.local])
        progress(len(places), len(places), "labelling")
        return labels

    def _grow(
        self,
        labels: npt.NDArray[np.int32],
        planes: LabelledPlanes,
        options: LabelOptions,
        progress: Progress,
    ) -> None:
        """Write the labels of the whole stack at a threshold below the model's."""
        plain = _plain(options, options.threshold)
        done, beyond = 0, self.count

        def label(plane: Plane) -> tuple[LabelRuns, SharedPixels]:
            pieces = LabelRuns(planes.label_plane(plane, plain))
            return pieces, count_overlaps(self.local[plane], pieces)

        for number, run in enumerate(self.runs):
            growth = _Growth(self, number, beyond)
            for plane, (pieces, shared) in zip(run, one_ahead(label, run), strict=True):
                progress(done, len(self.local), "labelling")
                growth.add(plane, pieces, shared)
                done += 1
            beyond = growth.renumber(labels, planes.axes)


class _Growth:
    """Links the larger objects of a run at a threshold below the model's.

    Parameters
    ----------
    stack
        The objects at the model's threshold.
    run
        Number of the run.
    beyond
        The last number that is taken: new objects have higher ones.
    """

    def __init__(self, stack: StackObjects, run: int, beyond: int) -> None:
        self._stack, self._beyond = stack, beyond
        self._planes = stack.runs[run]
        self._first = stack.ends[run - 1] if run else 0
        self._known = stack.ends[run] - self._first
        self._linker = PlaneLinker()
        self._pieces: list[LabelRuns] = []
        # of each plane (N, 2): object of the stack, and the object of the plane that covers it
        self._covered: list[npt.NDArray[np.int64]] = []

    def add(self, plane: Plane, pieces: LabelRuns, shared: SharedPixels) -> None:
        """Link the next plane; `shared` are the overlaps of the stack's objects with it."""
        self._linker.add(pieces)
        self._pieces.append(pieces)
        most = _most_shared(shared.first, shared.pixels)
        numbers = self._stack.numbers[plane][shared.first[most]] - self._first
        self._covered.append(np.stack([numbers - 1, shared.second[most]], axis=1))

    def renumber(self, labels: npt.NDArray[np.int32], axes: str) -> int:
        """Write the numbers in the stack of all planes; return the last number."""
        linking = self._linker.linking()
        numbers, last = self._numbers(linking)
        for plane, pieces, own in zip(self._planes, self._pieces, linking.numbers, strict=True):
            labels[plane_slices(axes, plane)] = pieces.renumbered(numbers[own])
        return last

    def _numbers(self, linking: Linking) -> tuple[npt.NDArray[np.int32], int]:
        """Return the number in the stack of each linked object, and the last one in use."""
        known, total = self._known, self._known + linking.count
        edges = [
            np.stack([part[:, 0], known - 1 + linking.numbers[place][part[:, 1]]], axis=1)
            for place, part in enumerate(self._covered)
        ]
        count, group = connected_groups(np.concatenate(edges), total)
        numbers = np.zeros(count, np.int64)
        # the largest comes last and stays
        volumes = self._stack._volumes[self._first + 1 : self._first + known + 1]
        order = np.lexsort((-np.arange(known), volumes))
        numbers[group[order]] = self._first + 1 + order
        fresh = np.unique(group[known:][numbers[group[known:]] == 0])
        numbers[fresh] = self._beyond + np.arange(1, len(fresh) + 1)
        found = np.concatenate([[0], numbers[group[known:]]]).astype(np.int32)
        return found, self._beyond + len(fresh)


def one_ahead(function: Callable[[Plane], T], planes: Sequence[Plane]) -> Iterator[T]:
    """Yield the results for planes, of which the next is computed in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = None
        for plane in planes:
            previous, upcoming = upcoming, pool.submit(function, plane)
            if previous is not None:
                yield previous.result()
        if upcoming is not None:
            yield upcoming.result()


def _plain(options: LabelOptions, threshold: float) -> LabelOptions:
    """Return options that drop nothing: that is done to whole objects."""
    return replace(options, threshold=threshold, min_size=0, drop_border=False, min_confidence=0)


def _compact(labels: npt.NDArray[np.int32]) -> Labels:
    small = labels.max(initial=0) < 2**16
    return labels.astype(np.uint16) if small else labels


def _most_shared(ids: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return for each id the place of its pair with the most pixels."""
    order = np.lexsort((-pixels, ids))
    return order[np.flatnonzero(np.diff(ids[order], prepend=-1))]


def _drop(
    labels: npt.NDArray[np.int32],
    planes: list[tuple[int | slice, ...]],
    options: LabelOptions,
    cut_pixels: list[npt.NDArray[np.intp]],
) -> None:
    """Drop small objects, and those at a border of their planes or of a region, whole, in place."""
    if options.min_size <= 1 and not options.drop_border and not any(map(len, cut_pixels)):
        return
    volumes = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    cut = np.zeros(len(volumes), bool)
    for where, edge in zip(planes, cut_pixels, strict=True):
        areas = object_areas(labels[where])
        volumes[: len(areas)] += areas
        cut[labels[where].ravel()[edge]] = True
        if options.drop_border:
            cut[border_pixels(labels[where])] = True
    keep = volumes >= max(options.min_size, 1)
    keep &= ~cut
    keep_objects(labels, planes, keep)


def border_pixels(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values in the first and last rows and columns of a plane."""
    edges = (plane[:1], plane[-1:], plane[:, :1], plane[:, -1:])
    return np.concatenate([edge.ravel() for edge in edges])
