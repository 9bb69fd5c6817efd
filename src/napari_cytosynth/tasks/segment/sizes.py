"""Sizes of the objects of a stack at every threshold, for a count that is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .confidence import DOUBTFUL, sure_enough
from .stack import border_pixels

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    from .instances import LabelOptions
    from .stack import LabelledPlanes, StackObjects

__all__ = ["ObjectSizes"]

_MOST_VOXELS = 100_000_000  # of 8 bytes each; beyond, the count is not live


class ObjectSizes:
    """Voxels of every object of a stack at any threshold from the model's on.

    All voxels are sorted by object and falling probability: at a threshold, the end of each
    object's voxels is one search. Preparing takes about a tenth of a second for a million
    voxels (do it in a worker); then a count takes time in proportion to the number of
    objects.

    Parameters
    ----------
    stack
        The objects at the model's threshold.
    planes
        The planes that they are of.
    progress
        Called before each plane.
    """

    def __init__(self, stack: StackObjects, planes: LabelledPlanes, progress: Progress) -> None:
        self._stack, self._levels = stack, planes.strength_levels
        self._border = np.full(stack.count + 1, -1, np.float32)
        self._cut = self._border.copy()  # the same at the border of a region
        parts: list[npt.NDArray[np.uint64]] = []
        self._complete = True
        for done, plane in enumerate(stack.local):
            progress(done, len(stack.local), "preparing the count")
            numbers = np.take(stack.numbers[plane], stack.local[plane])
            probability = planes.strength_plane(plane)
            np.fmax.at(self._border, border_pixels(numbers), border_pixels(probability))
            edge = planes.cut_pixels(plane, linked=True)
            np.fmax.at(self._cut, numbers.ravel()[edge], probability.ravel()[edge])
            inside = numbers > 0
            parts.append(_keys(numbers[inside], probability[inside]))
            if sum(map(len, parts)) > _MOST_VOXELS:
                self._complete = False
                break
        self._voxels = np.concatenate(parts) if self._complete and parts else np.zeros(0, np.uint64)
        self._voxels.sort()
        own = np.arange(stack.count + 1, dtype=np.uint64) << np.uint64(32)
        self._starts = np.searchsorted(self._voxels, own)

    @property
    def stack(self) -> StackObjects:
        """The objects at the model's threshold."""
        return self._stack

    def alive(self, options: LabelOptions) -> npt.NDArray[np.bool_] | None:
        """Return which objects are there, by number; entry 0 is False.

        Parameters
        ----------
        options
            Those of the labelling.

        Returns
        -------
        ndarray or None
            None where it has to be found out from the labels themselves: below the model's
            threshold, where objects grow and join, where what lies in holes that are filled
            counts, and of objects from flows between two steps of the slider.
        """
        if not self._complete or options.threshold < self._stack.threshold:
            return None
        # an object may lie wholly in the hole of another one, and be left with it when filled
        nested = options.split_touching and self._levels is None
        if options.fill_holes and (options.min_size > 1 or nested):
            return None
        if self._levels is not None and np.float32(options.threshold) not in self._levels:
            return None
        left = self.voxels(options.threshold) >= max(options.min_size, 1)
        left &= self._cut < np.float32(options.threshold)
        if options.drop_border:
            left &= self._border < np.float32(options.threshold)
        if self._stack.confidence is not None:
            left &= sure_enough(self._stack.confidence, options.min_confidence)
        return left

    def count(self, options: LabelOptions, run: int | None = None) -> int | None:
        """Return the number of objects, that of the labels of the whole stack.

        Parameters
        ----------
        options
            Those of the labelling.
        run
            Number of the run along Z whose objects are counted. None (default) for all.

        Returns
        -------
        int or None
            None where :meth:`alive` is.
        """
        left = self.alive(options)
        return None if left is None else self._in_run(left, run)

    def count_doubtful(self, options: LabelOptions, run: int | None = None) -> int | None:
        """Return how many of the objects that :meth:`count` counts are doubtful.

        Parameters
        ----------
        options, run
            As of :meth:`count`.

        Returns
        -------
        int or None
            None where :meth:`alive` is, and where confidences are unknown.
        """
        left, confidence = self.alive(options), self._stack.confidence
        if left is None or confidence is None:
            return None
        return self._in_run(left & (confidence < DOUBTFUL), run)

    def _in_run(self, left: npt.NDArray[np.bool_], run: int | None) -> int:
        ends = self._stack.ends
        first, last = (0, self._stack.count) if run is None else ((0, *ends)[run], ends[run])
        return int(np.count_nonzero(left[first + 1 : last + 1]))

    def voxels(self, threshold: float) -> npt.NDArray[np.int64]:
        """Return the voxels of each object, by its number, at or above a threshold."""
        numbers = np.arange(len(self._starts), dtype=np.int64)
        last = _keys(numbers, np.full(len(numbers), threshold, np.float32))
        voxels: npt.NDArray[np.int64] = (
            np.searchsorted(self._voxels, last, side="right") - self._starts
        )
        voxels[0] = 0
        return voxels


def _keys(
    numbers: npt.NDArray[np.integer], probability: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint64]:
    """Return keys that sort by number, then from the highest probability to the lowest."""
    # the bits of floats from 0 on are in their order; NaN, in a filled hole, is none
    values = np.nan_to_num(np.asarray(probability, np.float32), nan=0.0).clip(0) + np.float32(0)
    falling = np.uint64(2**32 - 1) - values.view(np.uint32).astype(np.uint64)
    return (numbers.astype(np.uint64) << np.uint64(32)) | falling
