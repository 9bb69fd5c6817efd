"""A run of a dropout sampler: its options, progress and stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cytosynth.inference.geometry import round_up
from napari_cytosynth.inference.tiling import Span, Tile
from napari_cytosynth.progress import silent

from .running_statistics import MIN_FOR_ERROR, relative_error_of_std

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress

    from .running_statistics import RunningStatistics

    Floats = NDArray[np.float32]
    OnSample = Callable[[int, Floats, Floats | None], None]

__all__ = ["SamplingRun", "Stopped", "patches_of"]

Stopped = Literal["all", "tolerance", "enough"]
PATCH = 16  # px; side of the patches on which the error of the std is estimated
PATCHES = 3  # along each axis


class SamplingRun:
    """Options, progress and stopping of one run of a sampler on a plane.

    Parameters
    ----------
    shape
        Size (Y, X) of the plane in px.
    samples, seed, tolerance, on_sample, enough, progress
        As in :meth:`~napari_cytosynth.inference.dropout.sampler.Sampler.run`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        samples: int,
        seed: int,
        tolerance: float | None,
        on_sample: OnSample | None,
        enough: Callable[[], bool] | None,
        progress: Progress | None,
    ) -> None:
        self.shape = shape
        self.samples = samples
        self.seed = seed
        self.tolerance = tolerance
        self.on_sample = on_sample
        self._enough = enough
        self._report = progress or silent
        self._done = self._total = 0
        self._watched: list[Floats] = []

    # -- progress ---------------------------------------------------------------------------

    def expect(self, done: int, total: int, message: str = "Running the model") -> None:
        """Report progress with a new total."""
        self._done, self._total = done, total
        self._report(done, total, message)

    def advance(self, steps: int, message: str) -> None:
        """Report further steps as done."""
        self.expect(self._done + steps, self._total, message)

    def finish(self) -> None:
        """Report the end of a run that may have stopped early."""
        if self._done < self._total:
            self.expect(self._total, self._total, "Done")

    # -- samples ----------------------------------------------------------------------------

    def batches(self, count: int, size: int) -> Iterator[range]:
        """Yield the numbers of the first `count` samples in batches of `size`."""
        return (range(start, min(start + size, count)) for start in range(0, count, size))

    def show(self, statistics: RunningStatistics) -> None:
        """Pass mean and std of the whole plane so far to `on_sample`."""
        if self.on_sample is not None:
            self.on_sample(statistics.count, statistics.mean, statistics.std)

    # -- stopping ---------------------------------------------------------------------------

    def watch(self, parts: Sequence[torch.Tensor]) -> None:
        """Store the next sample's pixels (K, y, x) in the patches."""
        pixels = [part.flatten(1).cpu().numpy() for part in parts]
        self._watched.append(np.concatenate(pixels, axis=1))

    def forget(self) -> None:
        """Drop the stored samples."""
        self._watched = []

    def is_enough(self, count: int) -> bool:
        """Return whether the user has stopped the run; never before 2 samples."""
        return count >= 2 and self._enough is not None and self._enough()

    def is_precise(self) -> bool:
        """Return whether the error of the std lies below the tolerance."""
        if self.tolerance is None or len(self._watched) < MIN_FOR_ERROR:
            return False
        return relative_error_of_std(np.stack(self._watched)) < self.tolerance


def patches_of(shape: tuple[int, int], stride: int) -> list[Tile]:
    """Return small tiles all over a plane of `shape` (Y, X), independent of its tiling."""
    rows, columns = (_patches_along(size, stride) for size in shape)
    return [Tile(y, x) for y in rows for x in columns]


def _patches_along(size: int, stride: int) -> list[Span]:
    padded, length = round_up(size, stride), round_up(PATCH, stride)
    if padded <= PATCHES * length:
        return [Span(0, padded)]
    middles = [padded * (2 * number + 1) // (2 * PATCHES) for number in range(PATCHES)]
    starts = [(middle - length // 2) // stride * stride for middle in middles]
    return [Span(start, start + length) for start in starts]
