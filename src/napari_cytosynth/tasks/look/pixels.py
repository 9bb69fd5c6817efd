"""Objects in the pixels of labels: where they lie, and labels of some of them alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress

__all__ = ["Boxes", "find_boxes", "keep_objects"]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The objects in labels and the boxes around them.

    Attributes
    ----------
    labels
        int64 of shape (objects,), rising, without the background.
    first, last
        int64 of shape (objects, axes): the first and the last pixel of each box.
    """

    labels: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def place(self, label: int) -> tuple[tuple[float, ...], float] | None:
        """Return the middle of an object's box and the larger side along Y and X, in px."""
        at = int(np.searchsorted(self.labels, label))
        if at == len(self.labels) or self.labels[at] != label:
            return None
        first, last = self.first[at], self.last[at]
        middle = tuple(float(place) for place in (first + last) / 2)
        return middle, float((last - first + 1)[-2:].max())


def find_boxes(data: Any, progress: Progress) -> Boxes:
    """Find the objects in labels.

    Parameters
    ----------
    data
        Whole numbers of shape ([…], Y, X), 0 is background.
    progress
        Called before and after; raises to cancel.
    """
    progress(0, 1, "Finding the objects")
    pixels = np.asarray(data)
    largest = int(pixels.max(initial=0))
    if largest > pixels.size or pixels.min(initial=0) < 0:  # a list up to the largest would be long
        every, inverse = np.unique(pixels, return_inverse=True)
        numbers = every[every != 0].astype(np.int64)
        rank = np.zeros(len(every), np.int64)
        rank[every != 0] = np.arange(1, len(numbers) + 1)
        pixels = rank[inverse].reshape(pixels.shape)
    else:
        numbers = np.arange(1, largest + 1)
    found = ndimage.find_objects(pixels.astype(np.int64, copy=False))
    progress(1, 1, "Finding the objects")
    there = [(label, box) for label, box in zip(numbers, found, strict=True) if box is not None]
    shape = (len(there), pixels.ndim)
    first = [[side.start for side in box] for _, box in there]
    last = [[side.stop - 1 for side in box] for _, box in there]
    return Boxes(
        np.array([label for label, _ in there], np.int64),
        np.array(first, np.int64).reshape(shape),
        np.array(last, np.int64).reshape(shape),
    )


def keep_objects(
    data: Any, labels: np.ndarray, progress: Progress, places: np.ndarray | None = None
) -> np.ndarray:
    """Return labels with some objects alone, under their numbers.

    Parameters
    ----------
    data
        Whole numbers of shape ([…], Y, X).
    labels
        Numbers of the objects to keep; one may be there several times.
    progress
        Called after each step along the first axis (rows in a plane); raises to cancel.
    places
        int64 of shape (labels, n): where each number is kept, as indices of the first n axes of
        `data`. Default: None, everywhere.

    Returns
    -------
    ndarray
        Of the shape and dtype of `data`.
    """
    kept = np.zeros(data.shape, data.dtype)
    step = 1 if data.ndim > 2 else 1024
    for start in range(0, data.shape[0], step):
        progress(start, data.shape[0], "Writing the objects")
        part = np.asarray(data[start : start + step])
        if places is None:
            kept[start : start + step] = np.where(np.isin(part, labels), part, 0)
            continue
        for index in np.ndindex(part.shape[1 : places.shape[1]]):
            here = labels[(places == (start, *index)).all(axis=1)]
            plane = part[0][index]
            kept[start][index] = np.where(np.isin(plane, here), plane, 0)
    return kept
