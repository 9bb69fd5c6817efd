"""Linking of objects through time: by overlap, then by distance, over gaps and divisions.

A simple linker for objects that move little from one time point to the next. Trackers that learn
how cells move (trackastra) or choose between segmentations (ultrack) are better at the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.arguments import check_callable, check_flag, check_number, check_whole
from napari_cytosynth.errors import LABELS_BELOW_0, InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import PlaneReader, guess_axes, parse_axes
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source, voxel_size

from .overlaps import (
    MINIMUM_IOU,
    LabelRuns,
    SharedPixels,
    best_pairs,
    count_overlaps,
    object_areas,
)
from .tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    Whole = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = ["track"]

_DAUGHTER = 0.8
"""Both parts of an object that divided are at most this fraction of it,"""
_TOGETHER = 0.5
"""and both together at least this one."""


def track(
    labels: Any,
    max_distance: float | None = None,
    pixel_size: float | Sequence[float] | None = None,
    *,
    axes: str | None = None,
    min_iou: float = MINIMUM_IOU,
    max_gap: int = 2,
    divisions: bool = True,
    progress: Progress | None = None,
) -> Tracks:
    """Link the objects of a label image through time.

    Objects of two time points are one where their intersection over union is at least `min_iou`,
    the best pairs first; then the nearest ones within `max_distance`. What has no partner in the
    time point before may have one earlier. An object that begins beside one that has become
    much smaller is the other half of a division: both halves begin new tracks.

    Parameters
    ----------
    labels
        Integer array or napari Labels layer with an axis T, and perhaps Z.
    max_distance
        How far a centroid may move from one time point to the next, in µm where the pixel size
        is known, else in px. Default: None, only overlap counts.
    pixel_size
        As in :func:`~napari_cytosynth.tasks.measure.table.measure`. Default: that of the layer.
    axes
        Axes of `labels`, for example ``"TYX"``. Default: those that the layer names; a stack of
        planes without names is taken for time points.
    min_iou
        In (0, 1]. Default: 0.25.
    max_gap
        In how many time points an object may be missing. Default: 2.
    divisions
        Look for divisions. Default: True.
    progress
        Called after each time point. Default: None, silent.

    Returns
    -------
    Tracks

    Raises
    ------
    InputError
        If there is no axis T, a label is below 0, or an argument is impossible.
    """
    source = read_source(labels, "labels")
    axes = _checked_axes(source, axes)
    check_callable(progress, "progress")
    z_size, size = known_voxel_size(source, axes, pixel_size)
    step = voxel_size(size, z_size if "Z" in axes else None)
    dimensions = 3 if "Z" in axes else 2
    if step is None or len(step) < dimensions:  # without all sizes, distances are in px
        step = (1.0,) * dimensions
    linker = _Linker(
        max_distance=None
        if max_distance is None
        else check_number(max_distance, "max_distance", 0),
        min_iou=check_number(min_iou, "min_iou", 1e-6, 1),
        max_gap=check_whole(max_gap, "max_gap", 0, 100),
        divisions=check_flag(divisions, "divisions"),
    )
    reader = PlaneReader(source.data, axes)
    frames = int(source.shape[axes.index("T")])
    for t in range(frames):
        linker.add(_read_frame(reader, t, np.asarray(step)))
        (progress or silent)(t + 1, frames, "Linking time points")
    return Tracks(linker.table("zyx"[-dimensions:]), source, axes)


def _checked_axes(source: Any, axes: str | None) -> str:
    data = source.data
    if np.dtype(data.dtype).kind not in "iub":
        raise InputError("Only labels can be tracked: whole numbers, 0 for the background.")
    if axes is None:
        axes = guess_axes(data.ndim, source.axis_labels, shape=data.shape)
        axes = "TYX" if axes == "ZYX" and len(set(source.axis_labels) & {"z", "Z"}) == 0 else axes
    axes = parse_axes(axes, data.ndim)
    if "T" not in axes:
        raise InputError(
            "Tracks need an axis of time: name the axes of the labels with T, such as axes='TYX'."
        )
    more = [axis for axis in axes if axis not in "TZYX" and data.shape[axes.index(axis)] != 1]
    if more:
        raise InputError(
            f"Objects can be tracked along T, Z, Y and X: take one position along {more[0]}."
        )
    return axes


@dataclass(eq=False)
class _Frame:
    """The objects of one time point.

    Attributes
    ----------
    ids
        Their labels.
    points
        Their centroids in px.
    places
        The same in the unit of distances.
    areas
        Their pixels.
    runs
        The labels, numbered 1, 2, … in the order of `ids`.
    next, before
        Whether each goes on, and which object it was: time point and number; -1 for none.
    mother
        The object that divided into it: its number in the time point before; -1 for none.
    """

    ids: Whole
    points: Floats
    places: Floats
    areas: Whole
    runs: LabelRuns
    next: Whole = field(init=False)
    before: Whole = field(init=False)
    mother: Whole = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.ids)
        self.next = np.full(count, -1)
        self.before = np.full((count, 2), -1)
        self.mother = np.full(count, -1)


def _read_frame(reader: PlaneReader, t: int, step: Floats) -> _Frame:
    time = reader.leading_axes.index("T")
    planes = [index for index in reader.indices() if index[time] == t]
    stack = np.stack([reader.read(index)[0] for index in planes])
    if stack.min(initial=0) < 0:
        raise InputError(LABELS_BELOW_0)
    inside = np.nonzero(stack > 0)
    ids, numbers = np.unique(stack[inside], return_inverse=True)
    areas = np.bincount(numbers, minlength=len(ids))
    points = np.stack(
        [np.bincount(numbers, axis, len(ids)) / areas for axis in inside[-len(step) :]], axis=1
    )
    plain = np.zeros(stack.shape, np.int32)
    plain[inside] = numbers + 1
    runs = LabelRuns(plain.reshape(-1, stack.shape[-1]))
    return _Frame(ids.astype(np.int64), points, points * step, areas, runs)


@dataclass(eq=False)
class _Linker:
    """Links time points that are given one after the other."""

    max_distance: float | None
    min_iou: float
    max_gap: int
    divisions: bool
    frames: list[_Frame] = field(default_factory=list)

    def add(self, frame: _Frame) -> None:
        """Link the next time point."""
        now = len(self.frames)
        self.frames.append(frame)
        for then in range(now - 1, max(now - 2 - self.max_gap, -1), -1):
            overlaps = self._overlaps(then, now)
            self._link(then, now, *self._by_overlap(overlaps, then, now))
            self._link(then, now, *self._by_distance(then, now))
            if then == now - 1 and self.divisions:
                self._divide(overlaps, then, now)
        if now > self.max_gap:
            self.frames[now - 1 - self.max_gap].runs = LabelRuns(np.zeros((1, 1), np.int32))

    def _overlaps(self, then: int, now: int) -> SharedPixels:
        return count_overlaps(self.frames[then].runs, self.frames[now].runs)

    def _free(self, then: int, now: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return which objects of both time points have no partner yet."""
        last, new = self.frames[then], self.frames[now]
        return last.next < 0, (new.before[:, 0] < 0) & (new.mother < 0)

    def _by_overlap(self, pairs: SharedPixels, then: int, now: int) -> tuple[Whole, Whole]:
        areas = [object_areas(self.frames[t].runs) for t in (then, now)]
        iou = pairs.iou(*areas)
        ends, begins = self._free(then, now)
        good = (iou >= self.min_iou) & ends[pairs.first - 1] & begins[pairs.second - 1]
        best = best_pairs(pairs[good], iou[good])
        return best.first - 1, best.second - 1

    def _by_distance(self, then: int, now: int) -> tuple[Whole, Whole]:
        ends, begins = (np.flatnonzero(free) for free in self._free(then, now))
        first, second, distance = self._near(then, now, ends, begins)
        best = best_pairs(SharedPixels(first, second, np.ones_like(first)), -distance)
        return best.first, best.second

    def _near(self, then: int, now: int, ends: Whole, begins: Whole) -> tuple[Whole, Whole, Floats]:
        """Return the pairs within the largest distance, which grows with the gap."""
        from scipy.spatial import cKDTree

        nothing = np.zeros(0, np.int64)
        if self.max_distance is None or not len(ends) or not len(begins):
            return nothing, nothing, np.zeros(0)
        old, new = self.frames[then].places[ends], self.frames[now].places[begins]
        found = cKDTree(old).sparse_distance_matrix(
            cKDTree(new), self.max_distance * (now - then), output_type="ndarray"
        )
        return ends[found["i"]], begins[found["j"]], found["v"]

    def _link(self, then: int, now: int, first: Whole, second: Whole) -> None:
        self.frames[then].next[first] = second
        self.frames[now].before[second, 0] = then
        self.frames[now].before[second, 1] = first

    def _divide(self, overlaps: SharedPixels, then: int, now: int) -> None:
        """Find new objects that are the second half of one that has gone on smaller."""
        last, new = self.frames[then], self.frames[now]
        begins = self._free(then, now)[1]
        mothers = np.flatnonzero(last.next >= 0)
        mothers = mothers[new.before[last.next[mothers], 0] == then]
        touch = begins[overlaps.second - 1] & np.isin(overlaps.first - 1, mothers)
        near = self._near(then, now, mothers, np.flatnonzero(begins))
        first = np.concatenate([overlaps.first[touch] - 1, near[0]])
        second = np.concatenate([overlaps.second[touch] - 1, near[1]])
        pairs = np.unique(np.stack([first, second], axis=1), axis=0)
        first, second = pairs[:, 0], pairs[:, 1]
        whole, half = last.areas[first], new.areas[last.next[first]]
        other = new.areas[second]
        halves = (np.maximum(half, other) <= _DAUGHTER * whole) & (
            half + other >= _TOGETHER * whole
        )
        first, second = first[halves], second[halves]
        far = np.linalg.norm(last.places[first] - new.places[second], axis=1)
        best = best_pairs(SharedPixels(first, second, np.ones_like(first)), -far)
        new.mother[best.second] = best.first
        new.mother[last.next[best.first]] = best.first

    def table(self, axes: str) -> pd.DataFrame:
        """Return all objects with their tracks."""
        numbers: list[Whole] = []
        parts = []
        count = 0
        for t, frame in enumerate(self.frames):
            own = np.zeros(len(frame.ids), np.int64)
            parent = np.zeros(len(frame.ids), np.int64)
            divided = frame.mother >= 0
            parent[divided] = numbers[t - 1][frame.mother[divided]] if t else 0
            goes_on = ~divided & (frame.before[:, 0] >= 0)
            for number in np.flatnonzero(goes_on):
                then, which = frame.before[number]
                own[number] = numbers[then][which]
            begins = np.flatnonzero(~goes_on)
            own[begins] = count + 1 + np.arange(len(begins))
            count += len(begins)
            numbers.append(own)
            columns = {"track": own, "track_parent": parent, "t": t, "label": frame.ids}
            columns |= dict(zip(axes, frame.points.T, strict=True))
            parts.append(pd.DataFrame(columns))
        found = pd.concat(parts, ignore_index=True).sort_values(["track", "t"], kind="stable")
        born = found.groupby("track")["track_parent"].transform("max")
        return found.assign(track_parent=born).reset_index(drop=True)
