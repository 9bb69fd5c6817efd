"""The two stages of a network with dropout, run on single tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_cytosynth.errors import ModelError, OutOfMemoryError
from napari_cytosynth.inference.device import exact_float32, free_memory
from napari_cytosynth.inference.geometry import network_geometry, round_up, whole_plane_geometry
from napari_cytosynth.inference.normalise import Scaling
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.inference.tiling import core_of

from .masks import sampling, with_shared_dropout
from .split import find_split

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from napari_cytosynth.inference.geometry import Geometry
    from napari_cytosynth.inference.tiling import Span, Tile

    FeatureMaps = tuple[torch.Tensor, ...]

__all__ = ["SplitPredictor"]

CPU_BUDGET = 2 * 2**30  # bytes
BATCH_PIXELS = {"cpu": 2**18}
"""Pixels of all samples that run at the same time; more gain nothing, and delay a stop."""
OTHER_BATCH_PIXELS = 2**23
WHOLE_PLANE_ONLY = (
    "This model normalises with statistics of the whole image: it runs on the image in one "
    "piece, and a part of an image gives other intensities than the whole."
)


class SplitPredictor(Predictor):
    """Runs the two stages of a network with dropout on a tile.

    The parameters are those of :class:`~napari_cytosynth.inference.dropout.sampler.Sampler`.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int,
        *,
        device: str,
        precision: str,
        tile_size: int | None,
        inject: float | None,
        memory_budget: int | None,
        batch_size: int | None,
    ) -> None:
        self._inject = inject
        self._whole_only = False
        super().__init__(
            network, in_channels, device=device, precision=precision, tile_size=tile_size
        )
        self._split = find_split(network, in_channels, self.geometry)
        self._memory_budget = memory_budget
        self._batch_size = batch_size
        self._largest_batch: int | None = None
        if self._whole_only:
            self.tile_size = round_up(2**30, self.geometry.stride)
            self.messages.append(WHOLE_PLANE_ONLY)

    @property
    def needs_whole_plane(self) -> bool:
        """Whether each pixel of the network's output depends on the whole plane."""
        return self._whole_only

    def _measure(self, network: nn.Module, in_channels: int) -> Geometry:
        if not any(_sees_whole_plane(part) for part in network.modules()):
            try:
                return network_geometry(network, in_channels)
            except ModelError:  # attention, or no network for images at all: that raises again
                pass
        self._whole_only = True
        return whole_plane_geometry(network, in_channels)

    def _variant(self, network: nn.Module) -> nn.Module:
        return with_shared_dropout(network, self._inject)

    # -- memory -----------------------------------------------------------------------------

    def _budget(self) -> int:
        if self._memory_budget is not None:
            return self._memory_budget
        budget = free_memory(self.device) // 4
        return min(budget, CPU_BUDGET) if self.device.type == "cpu" else budget

    def _bytes_to_keep(self, tiles: Sequence[Tile], shape: tuple[int, int]) -> float:
        """Return the memory in bytes for the features of all tiles and for mean and std."""
        area = 0
        for tile in tiles:
            rows, columns = self._windows(tile, shape, self._split.halo)
            area += (rows.stop - rows.start) * (columns.stop - columns.start)
        size = getattr(torch, self.precision).itemsize
        statistics = 3 * 4 * self.geometry.out_channels * shape[0] * shape[1]
        return float(area * self._split.values_per_pixel * size + statistics)

    def _windows(self, tile: Tile, shape: tuple[int, int], halo: int) -> list[Span]:
        """Return the spans along Y and X of a tile with its halo in the padded plane."""
        return [
            span.with_halo(halo, round_up(size, self.geometry.stride))
            for span, size in zip(tile, shape, strict=True)
        ]

    def _batch(self, pixels: int, samples: int) -> int:
        """Return the number of samples that run at the same time."""
        most = BATCH_PIXELS.get(self.device.type, OTHER_BATCH_PIXELS)
        size = self._batch_size or max(most // pixels, 1)
        return min(size, samples, self._largest_batch or size)

    def _smaller_batch(
        self, waiting: deque[Tile], shape: tuple[int, int], batch: int
    ) -> deque[Tile]:
        """Halve the batch that was too large, or the tiles; return the remaining tiles."""
        if batch == 1:
            return self._smaller_tiles(waiting, shape)
        self._largest_batch = batch // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return waiting

    def _smaller_tiles(self, waiting: deque[Tile], shape: tuple[int, int]) -> deque[Tile]:
        if self._whole_only:
            raise OutOfMemoryError(
                "There is not enough memory to run this model, which needs the image in one "
                "piece. Crop the image, or choose a model that can run on parts of it."
            )
        return super()._smaller_tiles(waiting, shape)

    # -- the two stages ---------------------------------------------------------------------

    @torch.inference_mode()
    def _features(self, plane: Any, tile: Tile, shape: tuple[int, int]) -> FeatureMaps:
        """Return the features shared by all samples of a tile, with the second stage's halo."""
        image = self._to_device(self._read(plane, tile, Scaling(0.0, 1.0).apply))
        if not self._split.split:
            return (image,)
        with exact_float32(self.device):
            features = self._network.before_dropout(image)  # type: ignore[operator]
        read = self._windows(tile, shape, self.geometry.halo)
        wanted = self._windows(tile, shape, self._split.halo)
        offsets = [
            (inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(wanted, read, strict=True)
        ]
        return tuple(
            self._cropped(feature, [slice(a // ratio, b // ratio) for a, b in offsets])
            for feature, ratio in zip(features, self._split.ratios, strict=True)
        )

    def _cropped(self, feature: torch.Tensor, where: list[slice]) -> torch.Tensor:
        """Copy a part of a feature map, so that the memory of the rest is freed."""
        rows, columns = where
        part = feature[..., rows, columns]
        if part.shape == feature.shape:
            return feature
        channels_last = self._format.channels_last
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return part.clone(memory_format=layout)

    @torch.inference_mode()
    def _draw(
        self,
        features: FeatureMaps,
        tile: Tile,
        shape: tuple[int, int],
        seed: int,
        numbers: Sequence[int],
    ) -> torch.Tensor:
        """Return samples of a tile's core: float32 (N, K, y, x)."""
        batch = [feature.expand(len(numbers), -1, -1, -1) for feature in features]
        network: Any = self._network
        second = network.after_dropout if self._split.split else network
        with sampling(network, seed, numbers), exact_float32(self.device):
            images: torch.Tensor = second(*batch)
        return images[..., *core_of(tile, shape, self._split.halo)].float()


def _sees_whole_plane(part: nn.Module) -> bool:
    if isinstance(part, nn.InstanceNorm2d):
        return not part.track_running_stats
    return isinstance(part, nn.GroupNorm)
