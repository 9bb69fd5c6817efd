"""Receptive radius, stride and halo of a network, measured on the network itself.

A NaN in one input pixel reaches exactly the output pixels that depend on that pixel: it
survives convolutions (even with a weight of zero), ReLU and pooling. From where it comes
out follows how many neighbouring pixels a tile needs for its core to be exact.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import nn

from napari_cytosynth.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Geometry", "network_geometry", "round_up", "whole_plane_geometry"]

MAX_STRIDE = 128
MAX_STRIP = 4096
"""Length in px over which a network may propagate a NaN and still count as local."""


@dataclass(frozen=True)
class Geometry:
    """Geometry of a network for tiling without seams.

    Attributes
    ----------
    radius
        Largest distance, in px along Y or X, between an output pixel and an input pixel
        that it depends on.
    stride
        Total stride in px: sizes must be multiples of it, and shifting the input by it
        shifts the output.
    halo
        Pixels that a tile needs around its core, a multiple of the stride. It is the
        radius rounded up, less one stride where no tile on the stride's grid needs that.
    out_channels
        Number of channels that the network returns.
    values_per_pixel
        Numbers per input pixel in the largest intermediate result: a measure of memory.
    """

    radius: int
    stride: int
    halo: int
    out_channels: int
    values_per_pixel: float


_known: WeakKeyDictionary[nn.Module, Geometry] = WeakKeyDictionary()


def network_geometry(network: nn.Module, in_channels: int) -> Geometry:
    """Measure the geometry of a network that maps (N, C, Y, X) to (N, K, Y, X).

    Parameters
    ----------
    network
        Any module; it is not changed (the measurement runs on a copy in float64 on the CPU).
    in_channels
        Number of channels of its input.

    Raises
    ------
    ModelError
        If the output has another size than the input for every size tried, or if each
        output pixel depends on the whole image (InstanceNorm, GroupNorm, attention).
    """
    if network not in _known:
        _known[network] = _measure(network, in_channels)
    return _known[network]


def whole_plane_geometry(network: nn.Module, in_channels: int) -> Geometry:
    """Return stride and channels of a network that only runs on whole planes.

    For a network that :func:`network_geometry` refuses because each output pixel depends on
    the whole image; radius and halo, which it has not, are 0.

    Raises
    ------
    ModelError
        If the output has another size than the input for every size tried.
    """
    probe = _Probe(network, in_channels, whole=True)
    with torch.inference_mode():
        # not tried on one stride: InstanceNorm refuses a single pixel at the coarsest level
        stride = probe.smallest_size(1, (2, 3))
        image = torch.zeros(1, in_channels, 2 * stride, 2 * stride, dtype=torch.float64)
        with _Watch(probe.network) as watch:
            probe.network(image)
    values = max(probe.values_per_pixel, watch.largest / (4 * stride**2))
    return Geometry(0, stride, 0, probe.out_channels, values)


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `value`."""
    return -(-value // step) * step


def _measure(network: nn.Module, in_channels: int) -> Geometry:
    probe = _Probe(network, in_channels)
    with torch.inference_mode():
        stride = probe.smallest_size(1)
        while True:
            halo, radius = probe.halo_and_radius(stride)
            if probe.is_equivariant(stride, halo):
                break
            stride = probe.smallest_size(stride + 1)
    return Geometry(radius, stride, halo, probe.out_channels, probe.values_per_pixel)


class _Probe:
    """A copy of a network with generic weights, and strips of image to run it on.

    Along one axis a strip is long, along the other one stride short: that is enough, for
    a path through the network needs no room sideways, and it is cheap.
    """

    def __init__(self, network: nn.Module, in_channels: int, *, whole: bool = False) -> None:
        # float64 also avoids the Winograd convolutions, which propagate a NaN too far.
        # A network in which NaN gets lost has a twin in which it does not.
        twin = None if whole else getattr(network, "probing_twin", None)
        copied = copy.deepcopy(network) if twin is None else twin()
        self.network = copied.to("cpu", torch.float64).eval()
        self.tolerance = getattr(network, "tolerance", 1e-7)
        self.in_channels = in_channels
        self.random = torch.Generator().manual_seed(0)
        self.out_channels = 0
        self.values_per_pixel = float(getattr(network, "values_per_pixel", 0.0))
        self.blocks = 8
        _make_generic(self.network, self.random)

    def smallest_size(self, start: int, factors: tuple[int, int] = (1, 3)) -> int:
        """Return the smallest size from `start` on whose multiples the network keeps."""
        for size in range(start, MAX_STRIDE + 1):
            if all(self._keeps(size * factor) for factor in factors):
                return size
        raise ModelError(
            f"The network returns no image of the size of its input, or shifts its pattern by "
            f"more than {MAX_STRIDE} pixels; it cannot be run on images."
        )

    def halo_and_radius(self, stride: int) -> tuple[int, int]:
        """Return (halo, radius) in px for the grid of `stride`, the larger of both axes."""
        along = [self._halo_along(stride, transpose) for transpose in (False, True)]
        return max(halo for halo, _ in along), max(radius for _, radius in along)

    def is_equivariant(self, stride: int, halo: int) -> bool:
        """Return whether a shift of the input by `stride` only shifts the output."""
        margin = halo + stride
        long = 2 * margin + 3 * stride
        strip = torch.rand(self.in_channels, stride, long, generator=self.random).double()
        pair = torch.stack([strip, strip.roll(stride, -1)])
        for transpose in (False, True):
            here, shifted = self._run(pair, transpose)
            here = here[..., margin : long - margin - stride]
            shifted = shifted[..., margin + stride : long - margin]
            least = self.tolerance * float(here.abs().max())
            if not torch.allclose(here, shifted, rtol=self.tolerance, atol=least):
                return False
        return True

    def _keeps(self, size: int) -> bool:
        image = torch.zeros(1, self.in_channels, size, size, dtype=torch.float64)
        try:
            output = self.network(image)
        except (RuntimeError, ValueError):
            return False  # the size does not fit the network's poolings
        self.out_channels = int(output.shape[1])
        return tuple(output.shape[-2:]) == (size, size)

    def _halo_along(self, stride: int, transpose: bool) -> tuple[int, int]:
        """Return (halo, radius) along X, or with `transpose` along Y."""
        while (span := self._affected_range(stride, 0, stride, transpose)) is None:
            self.blocks *= 2
            if self.blocks * stride > MAX_STRIP:
                raise ModelError(
                    "Each pixel of this network's output depends on the whole image (through "
                    "InstanceNorm, GroupNorm or attention), so that it cannot be cut into tiles."
                )
        halo = round_up(max(-span[0], span[1] + 1 - stride, 0), stride)

        def affected(offset: int) -> tuple[int, int]:
            found = self._affected_range(stride, offset, 1, transpose)
            return found if found is not None else span

        return halo, _farthest(affected, stride)

    def _affected_range(
        self, stride: int, offset: int, width: int, transpose: bool
    ) -> tuple[int, int] | None:
        """Return the first and last pixel affected by NaNs at offset … offset + width - 1.

        Positions count from a multiple of the stride in the middle of a strip of `blocks`
        strides. None if the range ends at or beyond an end of the strip.
        """
        centre, length = self.blocks // 2 * stride, self.blocks * stride
        strip = torch.ones(1, self.in_channels, stride, length, dtype=torch.float64)
        strip[..., centre + offset : centre + offset + width] = torch.nan
        hit = self._run(strip, transpose).isnan().flatten(0, 2).any(0).nonzero().flatten()
        if len(hit) == 0:
            return offset, offset
        low, high = int(hit[0]), int(hit[-1])
        if low == 0 or high == length - 1:
            return None
        return low - centre, high - centre

    def _run(self, strips: torch.Tensor, transpose: bool) -> torch.Tensor:
        """Run the network on strips (N, C, short, long), turned for `transpose`."""
        pixels = strips.shape[0] * strips.shape[2] * strips.shape[3]
        with _Watch(self.network) as watch:
            result: torch.Tensor = self.network(strips.mT.contiguous() if transpose else strips)
        self.values_per_pixel = max(self.values_per_pixel, watch.largest / pixels)
        return result.mT if transpose else result


class _Watch:
    """Records the largest input or output tensor of any part of a network."""

    def __init__(self, network: nn.Module) -> None:
        self.largest = 0
        self._hooks = [part.register_forward_hook(self._note) for part in network.modules()]

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _note(self, part: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        tensors = [item for item in (*inputs, output) if isinstance(item, torch.Tensor)]
        self.largest = max([self.largest, *(tensor.numel() for tensor in tensors)])


def _make_generic(network: nn.Module, random: torch.Generator) -> None:
    """Make all weights positive and of mixed sizes, so that nothing cancels or dies in a ReLU."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            part.reset_running_stats()
    for weights in network.parameters():
        fan_in = weights[0].numel() if weights.ndim > 1 else 1
        weights.data.uniform_(0.5 / fan_in, 1.5 / fan_in, generator=random)


def _farthest(affected: Callable[[int], tuple[int, int]], stride: int) -> int:
    """Return the largest distance that any offset of a stride affects, from few offsets.

    First and last affected pixel only move on with the offset: between two offsets nothing
    is affected beyond what the earlier one's first and the later one's last pixel allow.
    """
    found = {offset: affected(offset) for offset in {0, stride - 1}}

    def best() -> int:
        return max(max(offset - low, high - offset) for offset, (low, high) in found.items())

    pending = [(0, stride - 1)]
    while pending:
        start, stop = pending.pop()
        bound = max(stop - 1 - found[start][0], found[stop][1] - start - 1)
        if stop - start > 1 and bound > best():
            middle = (start + stop) // 2
            found[middle] = affected(middle)
            pending += [(start, middle), (middle, stop)]
    return best()
