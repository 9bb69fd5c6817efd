"""Linking of planes: which objects of neighbouring planes are one object of the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import LABELS_BELOW_0, InputError

from .overlaps import (
    MINIMUM_IOU,
    LabelRuns,
    SharedPixels,
    best_pairs,
    connected_groups,
    count_overlaps,
    object_areas,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Integers = npt.NDArray[np.integer]

__all__ = ["Linking", "PlaneLinker"]

_INSIDE = 0.75  # of a last, small slice: this share of it lies in the slice beside it


@dataclass(frozen=True, eq=False)
class Linking:
    """Number in the stack of every object of every plane.

    Attributes
    ----------
    numbers
        For each plane int32, by the object's id in the plane: 1 … `count`; 0 for ids without a
        pixel and for the background.
    count
        Number of objects in the stack.
    """

    numbers: tuple[npt.NDArray[np.int32], ...]
    count: int

    def relabel(self, plane: int, labels: Integers) -> npt.NDArray[np.int32]:
        """Return the labels (Y, X) of a plane with the objects' numbers in the stack.

        Parameters
        ----------
        plane
            Number of the plane, in the order in which they were linked.
        labels
            The ids that were linked; some of their pixels may be missing.
        """
        return np.take(self.numbers[plane], labels)

    def count_alive(self, alive: Sequence[npt.NDArray[np.bool_]]) -> int:
        """Return how many objects of the stack have an object left in at least one plane.

        Parameters
        ----------
        alive
            For each plane, whether object 1, 2, … is left (object i has ``alive[plane][i - 1]``).
        """
        left = np.zeros(self.count + 1, bool)
        for numbers, flags in zip(self.numbers, alive, strict=True):
            left[numbers[1:][flags]] = True
        return int(np.count_nonzero(left[1:]))


class PlaneLinker:
    """Links the objects of planes that are given one after the other.

    Objects of neighbouring planes are one where the intersection over union (IoU) of their
    pixels is at least `minimum`. Every object has at most one partner in the plane before and
    one in the plane after it; the best IoU comes first. What has no partner in the plane before
    may have one in the plane before that, if that one has not gone on: an object may be
    missing in one plane. Two objects that are at least two planes apart are never one.

    Where an object tapers off fast, the IoU of its last slice with the slice beside it is small,
    although it lies inside. An object of a single plane is therefore also linked with the first
    or last slice of another beside it, if at least 3/4 of the smaller one lies in the larger.

    Only the last two planes are kept.

    Parameters
    ----------
    minimum
        Least IoU, in (0, 1]. Default: 0.25.
    """

    def __init__(self, minimum: float = MINIMUM_IOU) -> None:
        self._minimum = minimum
        self._planes: list[LabelRuns] = []  # the last two
        self._areas: list[npt.NDArray[np.int64]] = []
        self._starts = [0]  # number of the first object of each plane
        self._continued: list[npt.NDArray[np.bool_]] = []  # by id: has a partner further on
        self._links: list[npt.NDArray[np.int64]] = []  # (N, 2) numbers of objects
        self._insides: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []

    def add(self, labels: Integers | LabelRuns) -> None:
        """Link the next plane.

        Parameters
        ----------
        labels
            (Y, X), 0 is background.

        Raises
        ------
        InputError
            If it is no plane of labels, or of another shape than the one before.
        """
        runs = labels if isinstance(labels, LabelRuns) else _runs_of(labels)
        if self._planes and runs.shape != self._planes[-1].shape:
            raise InputError(
                f"A plane of {runs.shape} pixels cannot be linked with one of "
                f"{self._planes[-1].shape}."
            )
        areas = object_areas(runs)
        number = len(self._areas)
        self._areas.append(areas)
        self._continued.append(np.zeros(len(areas), bool))
        self._starts.append(self._starts[-1] + len(areas) - 1)
        self._planes = [*self._planes[-2:], runs]
        if number:
            pairs = count_overlaps(self._planes[-2], runs)
            linked = self._link(number - 1, pairs)
            self._keep_insides(number, pairs)
            if number > 1 and not linked[1:][areas[1:] > 0].all():
                pairs = count_overlaps(self._planes[-3], runs)
                free = ~self._continued[number - 2][pairs.first] & ~linked[pairs.second]
                self._link(number - 2, pairs[free])

    def linking(self) -> Linking:
        """Return the linking of all planes so far."""
        links = np.concatenate([*self._links, self._tapering()])
        group = connected_groups(links, self._starts[-1])[1]
        there = [areas[1:] > 0 for areas in self._areas]
        numbers = _in_order(group, np.concatenate(there) if there else np.zeros(0, bool))
        parts = np.split(numbers, self._starts[1:-1]) if there else []
        padded = tuple(np.concatenate([[0], part]).astype(np.int32) for part in parts)
        return Linking(padded, int(numbers.max(initial=0)))

    def _link(self, plane: int, pairs: SharedPixels) -> npt.NDArray[np.bool_]:
        """Link a plane with the newest; return by id which objects of the newest are linked."""
        newest = len(self._areas) - 1
        iou = pairs.iou(self._areas[plane], self._areas[newest])
        enough = iou >= self._minimum
        best = best_pairs(pairs[enough], iou[enough])
        self._continued[plane][best.first] = True
        self._links.append(self._nodes(plane, newest, best))
        linked = np.zeros(len(self._areas[newest]), bool)
        linked[best.second] = True
        return linked

    def _nodes(self, first: int, second: int, pairs: SharedPixels) -> npt.NDArray[np.int64]:
        starts = self._starts[first], self._starts[second]
        return np.stack([pairs.first - 1 + starts[0], pairs.second - 1 + starts[1]], axis=1)

    def _keep_insides(self, number: int, pairs: SharedPixels) -> None:
        """Keep the pairs of the newest planes of which one object lies in the other."""
        areas = self._areas[number - 1], self._areas[number]
        inside = pairs[pairs.containment(*areas) >= _INSIDE]
        self._insides.append((self._nodes(number - 1, number, inside), inside.iou(*areas)))

    def _tapering(self) -> npt.NDArray[np.int64]:
        """Return the links (N, 2) of objects of a single plane with the slice that they lie in."""
        if not self._insides:
            return np.zeros((0, 2), np.int64)
        nodes = np.concatenate([nodes for nodes, _ in self._insides])
        iou = np.concatenate([iou for _, iou in self._insides])
        links = np.concatenate(self._links)
        before, after = (np.zeros(self._starts[-1], bool) for _ in range(2))
        before[links[:, 1]] = after[links[:, 0]] = True
        areas = np.concatenate([areas[1:] for areas in self._areas])
        first, second = nodes.T
        smaller = np.where(areas[first] < areas[second], first, second)
        free = np.flatnonzero(~after[first] & ~before[second] & ~(before | after)[smaller])
        # a small slice between two large ones belongs to one of them, and does not join them
        free = free[np.lexsort((-iou[free], smaller[free]))]
        free = free[np.flatnonzero(np.diff(smaller[free], prepend=-1))]
        best = best_pairs(SharedPixels(first[free], second[free], areas[smaller[free]]), iou[free])
        return np.stack([best.first, best.second], axis=1)


def _runs_of(labels: Integers) -> LabelRuns:
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise InputError("Planes of labels (Y, X) of whole numbers can be linked.")
    runs = LabelRuns(labels)
    if runs.values.min(initial=0) < 0:
        raise InputError(LABELS_BELOW_0)
    return runs


def _in_order(
    group: npt.NDArray[np.integer], there: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return groups as numbers 1, 2, … by their first member that is there; 0 for what is not."""
    numbers = np.zeros(len(group), np.int64)
    _, first, place = np.unique(group[there], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    numbers[there] = rank[place.ravel()]
    return numbers
