"""Sampler of Monte Carlo dropout: many samples for little more than the cost of one.

What comes before the first dropout is computed once; only the rest runs for each sample.
The standard deviation of the samples estimates the model's uncertainty (Gal and Ghahramani 2016,
"Dropout as a Bayesian Approximation", arXiv:1506.02142).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_cytosynth.errors import OutOfMemoryError
from napari_cytosynth.inference.device import unless_out_of_memory
from napari_cytosynth.inference.tiling import place_of, plan_tiles

from .masks import check_dropout, check_sampling
from .run import SamplingRun, patches_of
from .running_statistics import RunningStatistics
from .tiles import SplitPredictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.inference.tiling import Tile
    from napari_cytosynth.progress import Progress

    from .run import OnSample, Stopped

    Floats = NDArray[np.float32]
    FeatureMaps = tuple[torch.Tensor, ...]

__all__ = ["Sampled", "Sampler"]

TILE_BY_TILE = (
    "The image is too large for the memory to be sampled as a whole: all samples of one piece "
    "were drawn before the next. The result is the same; it only appears at the end."
)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Mean, standard deviation and samples of one plane.

    Attributes
    ----------
    mean
        float32 (K, Y, X), in units of the network's output.
    std
        float32 (K, Y, X), the samples' standard deviation (divided by count - 1); None
        without samples.
    count
        Number of samples; 0 for a deterministic prediction.
    samples
        float32 (count, K, Y, X) if they were to be kept, else None.
    stopped
        Why no more were drawn: ``all`` that were requested, ``tolerance`` or ``enough``.
    messages
        Warnings for the user.
    """

    mean: Floats
    std: Floats | None
    count: int
    samples: Floats | None
    stopped: Stopped
    messages: tuple[str, ...]


class Sampler(SplitPredictor):
    """Draws samples of a network with dropout on planes of any size.

    Neither tiles nor batches change a sample: its masks follow from the seed and its number.

    Parameters
    ----------
    network
        Maps (N, C, Y, X) to (N, K, Y, X); it is copied, never changed. Where it has the
        methods ``before_dropout`` and ``after_dropout``
        (:mod:`~napari_cytosynth.inference.dropout.split`), the first runs only once. A network
        that depends on the whole image (InstanceNorm) runs in one piece.
    in_channels, device, precision, tile_size
        As in :class:`~napari_cytosynth.inference.predictor.Predictor`, whose attributes it has
        too.
    inject
        Probability in (0, 1) for all dropout layers, also of a network that was not trained
        with it; None (default) keeps the network's own.
    memory_budget
        Bytes up to which the shared features are kept for the whole plane, so that the
        whole image sharpens sample by sample; beyond, tile by tile with all samples. None
        (default): a quarter of the free memory, on the CPU 2 GiB at most.
    batch_size
        Samples that run at the same time; None (default) chooses by the size of the image.

    Raises
    ------
    InputError
        If a setting is impossible, or there is no dropout layer to inject into.
    ModelError
        If the network's output has not the size of its input.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile_size: int | None = None,
        inject: float | None = None,
        memory_budget: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        check_sampling(0, inject=inject)
        check_dropout(network, 0, inject)
        super().__init__(
            network,
            in_channels,
            device=device,
            precision=precision,
            tile_size=tile_size,
            inject=inject,
            memory_budget=memory_budget,
            batch_size=batch_size,
        )

    def run(
        self,
        plane: Any,
        *,
        samples: int = 16,
        seed: int = 0,
        tolerance: float | None = None,
        keep_samples: bool = False,
        on_sample: OnSample | None = None,
        enough: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> Sampled:
        """Sample one plane.

        Parameters
        ----------
        plane
            Array-like (C, Y, X) of scaled pixels; NaN and infinite ones count as 0.
        samples
            At least 2, or 0 for a single prediction with the dropout off. Default: 16.
        seed
            At least 0; the same seed gives the same samples, and more samples begin with
            the same ones. Default: 0.
        tolerance
            No more samples are drawn once the standard error of the std is below this fraction
            of it, in (0, 1)
            (:func:`~napari_cytosynth.inference.dropout.running_statistics.relative_error_of_std`,
            at pixels all over the image); None (default) draws them all.
        keep_samples
            Return each sample too. Default: False.
        on_sample
            Called with the number of samples so far, their mean and std (None of one) of
            the whole plane, arrays of its own: after each sample, or, where memory only
            allows tile by tile, once at the end.
        enough
            Polled after each sample; once it is true, and two samples are there, no more
            are drawn. Tile by tile, it only counts during the first tile, for all tiles get
            the same number.
        progress
            Called between tiles and samples; may raise
            :class:`~napari_cytosynth.errors.Cancelled`, which ends the run there.

        Raises
        ------
        InputError
            If plane or parameters cannot be used, or the model has no dropout.
        OutOfMemoryError
            If memory does not suffice even for the smallest tile.
        Cancelled
            From `progress`.
        """
        check_sampling(samples, seed, tolerance)
        check_dropout(self._network, samples)
        if samples == 0:
            mean = self.predict(plane, activation="linear", progress=progress)
            return Sampled(mean, None, 0, None, "all", tuple(self.messages))
        shape = self._check(plane)
        run = SamplingRun(shape, samples, seed, tolerance, on_sample, enough, progress)
        kept = self._room_for_samples(run) if keep_samples else None
        tiles = plan_tiles(shape, self.geometry, self.tile_size)
        result = None
        if len(tiles) == 1 or self._bytes_to_keep(tiles, shape) <= self._budget():
            result = unless_out_of_memory(lambda: self._sample_whole(plane, tiles, run, kept))
        if result is None:
            result = self._sample_tiles(plane, tiles, run, kept)
        run.finish()
        return result

    def _room_for_samples(self, run: SamplingRun) -> Floats:
        shape = (run.samples, self.geometry.out_channels, *run.shape)
        try:
            return np.empty(shape, np.float32)
        except MemoryError as error:
            raise OutOfMemoryError(
                f"There is not enough memory to keep {run.samples} samples. Keep fewer, or only "
                "their mean and uncertainty."
            ) from error

    # -- the two ways to sample -------------------------------------------------------------

    def _sample_whole(
        self, plane: Any, tiles: Sequence[Tile], run: SamplingRun, kept: Floats | None
    ) -> Sampled:
        """Draw sample after sample of the whole plane."""
        run.forget()
        run.expect(0, len(tiles) * (1 + run.samples))
        shared = []
        for tile in tiles:
            shared.append(self._features(plane, tile, run.shape))
            run.advance(1, "Running the model")
        statistics = RunningStatistics((self.geometry.out_channels, *run.shape), self.device)
        patches = patches_of(run.shape, self.geometry.stride)
        places = [place_of(patch, run.shape) for patch in patches]
        stopped: Stopped | None = None
        for image in self._draw_whole(shared, tiles, run):
            if kept is not None:
                kept[statistics.count] = image.cpu().numpy()
            statistics.add(image)
            run.show(statistics)
            if stopped := self._stops(
                run, statistics.count, [image[:, *place] for place in places]
            ):
                break
        return self._sampled(
            statistics.mean, statistics.std, statistics.count, kept, stopped or "all"
        )

    def _draw_whole(
        self, shared: Sequence[FeatureMaps], tiles: Sequence[Tile], run: SamplingRun
    ) -> Iterator[torch.Tensor]:
        """Yield samples (K, Y, X) of the whole plane."""
        channels = self.geometry.out_channels
        batch = self._batch(run.shape[0] * run.shape[1], run.samples)
        for numbers in run.batches(run.samples, batch):
            images = torch.empty(len(numbers), channels, *run.shape, device=self.device)
            for tile, features in zip(tiles, shared, strict=True):
                part = self._draw(features, tile, run.shape, run.seed, numbers)
                images[..., *place_of(tile, run.shape)] = part
                run.advance(len(numbers), f"Sample {numbers[-1] + 1} of {run.samples}")
            yield from images

    def _stops(self, run: SamplingRun, count: int, patches: list[torch.Tensor]) -> Stopped | None:
        if run.tolerance is not None:
            run.watch(patches)
        if run.is_enough(count):
            return "enough"
        return "tolerance" if run.is_precise() else None

    def _sample_tiles(
        self, plane: Any, tiles: Sequence[Tile], run: SamplingRun, kept: Floats | None
    ) -> Sampled:
        """Draw all samples of a tile before the next one."""
        if run.on_sample is not None and TILE_BY_TILE not in self.messages:
            self.messages.append(TILE_BY_TILE)
        run.expect(0, len(tiles) * (1 + run.samples))
        needed = unless_out_of_memory(lambda: self._needed(plane, run))
        count, stopped = needed or (run.samples, "all")
        mean, std = (np.empty((self.geometry.out_channels, *run.shape), np.float32) for _ in "ms")
        waiting, done = deque(tiles), 0
        while waiting:
            tile = waiting[0]
            part = self._try_samples(plane, tile, run, count, first=not done, kept=kept)
            if part is None:
                batch = self._batch(_area(tile), count)
                waiting = self._smaller_batch(waiting, run.shape, batch)
                continue
            place = place_of(waiting.popleft(), run.shape)
            mean[:, *place], std[:, *place] = part.mean, part.std
            if part.count < count:
                count, stopped = part.count, "enough"
            done += 1
            total = done + len(waiting)
            run.expect(done * (1 + count), total * (1 + count), f"Tile {done} of {total}")
        if run.on_sample is not None:
            run.on_sample(count, mean, std)
        return self._sampled(mean, std, count, kept, stopped)

    def _try_samples(
        self,
        plane: Any,
        tile: Tile,
        run: SamplingRun,
        count: int,
        *,
        first: bool,
        kept: Floats | None,
    ) -> RunningStatistics | None:
        """Draw `count` samples of a tile, fewer if the run is stopped during the first tile.

        None if memory runs out.
        """

        def draw() -> RunningStatistics:
            features = self._features(plane, tile, run.shape)
            place = place_of(tile, run.shape)
            size = tuple(axis.stop - axis.start for axis in place)
            statistics = RunningStatistics((self.geometry.out_channels, *size), self.device)
            for numbers in run.batches(count, self._batch(_area(tile), count)):
                for image in self._draw(features, tile, run.shape, run.seed, numbers):
                    if kept is not None:
                        kept[statistics.count, :, *place] = image.cpu().numpy()
                    statistics.add(image)
                    if first and run.is_enough(statistics.count):
                        return statistics
                run.advance(len(numbers), f"Sample {numbers[-1] + 1} of {count} of a tile")
            return statistics

        return unless_out_of_memory(draw)

    def _needed(self, plane: Any, run: SamplingRun) -> tuple[int, Stopped]:
        """Estimate on small patches the number of samples for the tolerance, and the reason."""
        if run.tolerance is None:
            return run.samples, "all"
        run.forget()
        patches = patches_of(run.shape, self.geometry.stride)
        shared = [self._features(plane, patch, run.shape) for patch in patches]
        for number in range(run.samples):
            run.watch(
                [
                    self._draw(features, patch, run.shape, run.seed, [number])[0]
                    for features, patch in zip(shared, patches, strict=True)
                ]
            )
            run.advance(0, "Finding out how many samples are needed")
            if run.is_precise():
                return number + 1, "tolerance"
        return run.samples, "all"

    def _sampled(
        self, mean: Floats, std: Floats | None, count: int, kept: Floats | None, stopped: Stopped
    ) -> Sampled:
        samples = None if kept is None else kept[:count]
        return Sampled(mean, std, count, samples, stopped, tuple(self.messages))


def _area(tile: Tile) -> int:
    return (tile.y.stop - tile.y.start) * (tile.x.stop - tile.x.start)
