"""Neighbours of objects: the next one, those that touch, and the object that each lies in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .regions import number_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]
    Labels = npt.NDArray[np.integer]
    Columns = dict[str, npt.NDArray[Any]]

__all__ = ["Contacts", "next_objects", "related"]

_IN_PLANE = ((0, 1), (1, 0), (1, 1), (1, -1))  # the other four are the same pairs
_ALL = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))
_HELD = 0.5
"""An object lies in another one that holds at least this fraction of it."""


def next_objects(columns: Columns) -> Columns:
    """Return the next object of each, between centroids, as columns.

    Parameters
    ----------
    columns
        Of the table of a plane or of a run along Z: ``label`` and the centroids.
    """
    labels = columns["label"]
    found: Columns = {"next_label": np.zeros(len(labels), np.int64)}
    for unit in ("px", "um"):
        axes = [axis for axis in "zyx" if f"centroid_{axis}_px" in columns]
        names = [f"centroid_{axis}_{unit}" for axis in axes]
        if not all(name in columns for name in names):
            continue
        points = np.stack([columns[name] for name in names], axis=1)
        distance = np.full(len(labels), np.nan)
        if len(labels) > 1:
            distance, nearest = _nearest(points)
            found["next_label"] = labels[nearest].astype(np.int64)  # by true distances, if known
        found[f"next_distance_{unit}"] = distance
    return found


def _nearest(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], Whole]:
    from scipy.spatial import cKDTree

    distances, found = cKDTree(points).query(points, k=2)
    # of two points in the same place, either may come first
    second = (found[:, 0] == np.arange(len(points))).astype(int)
    rows = np.arange(len(points))
    return distances[rows, second], found[rows, second]


class Contacts:
    """Pairs of objects that touch: with an edge or a corner of a pixel.

    Parameters
    ----------
    ids
        Label of each object, ascending.
    """

    def __init__(self, ids: npt.NDArray[np.integer]) -> None:
        self._ids = np.asarray(ids, np.int64)
        self._pairs: list[Whole] = []
        self._last: Labels | None = None

    def add(self, plane: Labels) -> None:
        """Add the next plane (Y, X) of the same objects."""
        for y, x in _IN_PLANE:
            self._compare(plane, plane, y, x)
        if self._last is not None:
            for y, x in _ALL:
                self._compare(self._last, plane, y, x)
        self._last = plane

    def counts(self) -> Whole:
        """Return how many others each object touches."""
        pairs = np.unique(np.concatenate([np.zeros(0, np.int64), *self._pairs]))
        count = len(self._ids)
        ends = np.concatenate([pairs // max(count, 1), pairs % max(count, 1)])
        return np.bincount(ends, minlength=count)

    def _compare(self, first: Labels, second: Labels, y: int, x: int) -> None:
        """Add the pairs of pixels of which the second is `y` rows and `x` columns farther."""
        one = first[_before(y), _before(x)]
        other = second[_before(-y), _before(-x)]
        touch = (one != other) & (one > 0) & (other > 0)
        ends = np.searchsorted(self._ids, np.stack([one[touch], other[touch]]).astype(np.int64))
        self._pairs.append(np.unique(ends.min(axis=0) * len(self._ids) + ends.max(axis=0)))


def _before(step: int) -> slice:
    return slice(0, -step) if step > 0 else slice(-step, None)


def related(planes: Iterable[tuple[Labels, npt.NDArray[Any]]]) -> pd.DataFrame:
    """Return the object that each object lies in.

    That is the one which holds most of its pixels, and at least half of them.

    Parameters
    ----------
    planes
        Of each plane the objects, and those that they may lie in; 0 and below is background,
        NaN too.

    Returns
    -------
    DataFrame
        ``label``, and ``parent``: 0 of an object that lies in none.
    """
    parts = [_shared(objects, others) for objects, others in planes]
    table = pd.concat(parts, ignore_index=True).groupby(["label", "parent"], as_index=False).sum()
    whole = table.groupby("label")["pixels"].transform("sum")
    held = table[(table["parent"] > 0) & (table["pixels"] >= _HELD * whole)]
    first = held.sort_values("pixels", ascending=False, kind="stable").drop_duplicates("label")
    found = pd.DataFrame({"label": table["label"].unique()})
    found = found.merge(first[["label", "parent"]], on="label", how="left")
    return found.fillna({"parent": 0}).astype(np.int64)


def _shared(objects: Labels, others: npt.NDArray[Any]) -> pd.DataFrame:
    """Return the number of pixels that each pair shares in a plane, with the background as 0."""
    inside = objects > 0
    ids, region = number_labels(objects[inside])
    below = others[inside]
    below = np.where(below > 0, below, 0).astype(np.int64)  # of NaN, too
    parents, place = np.unique(below, return_inverse=True)
    keys, pixels = np.unique(region * max(len(parents), 1) + place, return_counts=True)
    first, second = np.divmod(keys, max(len(parents), 1))
    return pd.DataFrame({"label": ids[first], "parent": parents[second], "pixels": pixels})
