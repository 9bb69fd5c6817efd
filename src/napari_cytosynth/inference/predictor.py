"""Prediction on planes of any size, tile by tile and without seams."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_cytosynth.arguments import check_whole
from napari_cytosynth.errors import InputError, OutOfMemoryError
from napari_cytosynth.progress import silent

from .batchnorm_folding import folded_copy
from .device import choose_device, exact_float32, free_memory, unless_out_of_memory
from .geometry import network_geometry, round_up
from .normalise import Scaling
from .precision import choose_format, prepare
from .tiling import Span, Tile, core_of, place_of, plan_tiles, read_tile, split_tile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Activation

    from .geometry import Geometry

    Transform = Callable[[NDArray[Any]], NDArray[np.float32]]

__all__ = ["Predictor", "activated", "default_tile_size"]


class Predictor:
    """Runs a network on planes of any size.

    The result of a plane does not depend on the tiles that it is cut into (in float32 to
    within rounding); memory use depends on the tile, not on the plane.

    Parameters
    ----------
    network
        Maps (N, C, Y, X) to (N, K, Y, X). It is copied, never changed.
    in_channels
        Number of channels C.
    device
        ``auto`` (CUDA, else MPS, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        Default: ``"auto"``.
    precision
        ``auto``, ``float32`` or ``bfloat16``; see
        :func:`~napari_cytosynth.inference.precision.choose_format`. Default: ``"auto"``.
    tile_size
        Size in px of an inner tile without its halo, rounded up to the network's stride;
        None (default) chooses by halo and memory.

    Attributes
    ----------
    geometry : Geometry
        Receptive radius, stride and halo, as measured on the network.
    device : torch.device
    precision : str
        ``float32`` or ``bfloat16``.
    tile_size : int
        In px; smaller than requested once memory ran out.
    messages : list of str
        Warnings for the user, for example that memory ran out.

    Raises
    ------
    InputError
        If device, precision or tile size are impossible.
    ModelError
        If the network's output depends on the whole image or has not the input's size.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile_size: int | None = None,
    ) -> None:
        if tile_size is not None:
            tile_size = check_whole(tile_size, "tile_size", 1, unit=" pixel")
        self.device = choose_device(device)
        if getattr(network, "own_format", False):  # of a library that knows no other
            self.device = torch.device("cpu")
        self.geometry: Geometry = self._measure(network, in_channels)
        self.in_channels = in_channels
        random = torch.Generator().manual_seed(0)
        size = round_up(256, self.geometry.stride)
        example = torch.rand(1, in_channels, size, size, generator=random)
        folded = folded_copy(self._variant(network), example[..., : 4 * self.geometry.stride, :])
        self._format = choose_format(folded, example, self.device, precision)
        self._network = prepare(folded, self._format, self.device)
        itemsize = getattr(torch, self.precision).itemsize
        wanted = tile_size or default_tile_size(self.geometry, self.device, itemsize)
        self.tile_size = round_up(wanted, self.geometry.stride)
        self.messages: list[str] = []

    @property
    def precision(self) -> str:
        """Number format that the network runs in: ``float32`` or ``bfloat16``."""
        return self._format.precision

    def predict(
        self,
        plane: Any,
        *,
        transform: Transform | None = None,
        activation: Activation | Sequence[Activation] = "sigmoid",
        out: Any = None,
        wanted: Callable[[slice, slice], bool] | None = None,
        part: tuple[slice, slice] | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Run the network on one plane.

        Parameters
        ----------
        plane
            Array-like (C, Y, X); only the pixels of one tile at a time are sliced from it,
            so that it may be a memmap, zarr or dask array.
        transform
            Scales a part (C, h, w) of the plane to float32; None (default) takes the values as
            they are, with 0 for NaN and infinite ones. It must treat each pixel by itself.
        activation
            What follows the network's raw output, in float32: ``sigmoid`` or ``linear`` for
            all channels, or a sequence with one of them for each. Default: ``"sigmoid"``.
        out
            Array-like (K, Y, X) of float32 that the result is written into, tile by tile;
            None (default) allocates it.
        wanted
            Tells whether a tile with these rows and columns is to be run; `out` keeps what it has
            in the others. None (default) runs all of them.
        part
            Rows and columns of the only part that is written; they begin at multiples of the
            network's stride, and end there or with the plane. Default: None, all.
        progress
            Called before the first and after each tile; may raise
            :class:`~napari_cytosynth.errors.Cancelled`, which ends the run there.

        Returns
        -------
        array-like
            `out`: float32 (K, Y, X).

        Raises
        ------
        InputError
            If plane, result array or activation do not fit.
        OutOfMemoryError
            If memory does not suffice even for the smallest tile.
        Cancelled
            From `progress`; `out` holds the tiles finished so far.
        """
        shape = self._check(plane, out)
        activations = self._activations(activation)
        if out is None:
            out = np.empty((self.geometry.out_channels, *shape), np.float32)
        transform = transform or Scaling(0.0, 1.0).apply
        self._fill(out, plane, transform, activations, wanted, part, progress or silent)
        return out

    def _fill(
        self,
        out: Any,
        plane: Any,
        transform: Transform,
        activations: Sequence[str],
        wanted: Callable[[slice, slice], bool] | None,
        part: tuple[slice, slice] | None,
        report: Progress,
    ) -> None:
        """Write the result into `out`; the arguments are those of `predict`, checked."""
        shape = int(plane.shape[1]), int(plane.shape[2])
        tiles = self._plan(shape, part)
        waiting = deque(t for t in tiles if wanted is None or wanted(*place_of(t, shape)))
        done = 0
        report(done, len(waiting), "Running the model")
        while waiting:
            result = self._try_tile(plane, waiting[0], transform, activations)
            if result is None:
                waiting = self._smaller_tiles(waiting, shape)
                continue
            out[:, *place_of(waiting.popleft(), shape)] = result
            done += 1
            report(done, done + len(waiting), f"Tile {done} of {done + len(waiting)}")

    def _plan(self, shape: tuple[int, int], part: tuple[slice, slice] | None) -> list[Tile]:
        """Return the tiles of a plane, or of a part of it."""
        if part is None:
            return plan_tiles(shape, self.geometry, self.tile_size)
        stride = self.geometry.stride
        rows, columns = (Span(one.start, round_up(one.stop, stride)) for one in part)
        if rows.start % stride or columns.start % stride:
            raise InputError(f"A part of a plane must begin at a multiple of {stride} pixels.")
        return split_tile(Tile(rows, columns), shape, self.geometry, self.tile_size)

    def _measure(self, network: nn.Module, in_channels: int) -> Geometry:
        """Return the geometry of the network, which decides on the tiles."""
        return network_geometry(network, in_channels)

    def _variant(self, network: nn.Module) -> nn.Module:
        """Return the network to run; subclasses may alter a copy."""
        return network

    def _check(self, plane: Any, out: Any = None) -> tuple[int, int]:
        """Validate plane and result array; return (Y, X)."""
        shape = tuple(int(size) for size in plane.shape)
        if len(shape) != 3 or 0 in shape:
            raise InputError(f"A plane needs the axes (C, Y, X), none of them empty, not {shape}.")
        wanted = (self.geometry.out_channels, *shape[1:])
        if out is not None and (tuple(out.shape) != wanted or np.dtype(out.dtype) != np.float32):
            raise InputError(
                f"The result needs an array of float32 and shape {wanted}, "
                f"not of {out.dtype} and {tuple(out.shape)}."
            )
        return shape[1], shape[2]

    def _activations(self, activation: str | Sequence[str]) -> list[str]:
        """Validate the activation and return that of each channel."""
        count = self.geometry.out_channels
        found = [activation] * count if isinstance(activation, str) else list(activation)
        if len(found) != count:
            raise InputError(f"There must be {count} activations, one a channel, not {len(found)}.")
        for name in found:
            if name not in ("sigmoid", "linear"):
                raise InputError(f"There is no activation “{name}”; use sigmoid or linear.")
        return found

    def _try_tile(
        self, plane: Any, tile: Tile, transform: Transform, activations: Sequence[str]
    ) -> NDArray[np.float32] | None:
        """Return the result of one tile, cropped to its core; None if memory runs out."""

        def run() -> NDArray[np.float32]:
            pixels = self._read(plane, tile, transform)
            return self._run(pixels, tile, plane.shape[1:], activations)

        return unless_out_of_memory(run)

    def _read(self, plane: Any, tile: Tile, transform: Transform) -> NDArray[np.float32]:
        """Return the scaled pixels (C, y, x) of a tile with its halo."""
        pixels = read_tile(plane, tile, self.geometry, transform)
        self.check_channels(pixels)
        return pixels

    def check_channels(self, pixels: NDArray[Any]) -> None:
        """Raise InputError unless pixels (C, y, x) have as many channels as the network."""
        if len(pixels) != self.in_channels:
            raise InputError(
                f"The model needs {self.in_channels} channels, the image has {len(pixels)}."
            )

    def _to_device(self, pixels: NDArray[np.float32]) -> torch.Tensor:
        """Return pixels (C, y, x) as a batch of one in the network's own format."""
        image = torch.from_numpy(np.ascontiguousarray(pixels, np.float32))[None]
        image = image.to(self.device, getattr(torch, self.precision))
        if self._format.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        return image

    @torch.inference_mode()
    def _run(
        self,
        pixels: NDArray[np.float32],
        tile: Tile,
        shape: tuple[int, int],
        activations: Sequence[str],
    ) -> NDArray[np.float32]:
        """Run the network on a tile with its halo; return (K, y, x) of the core."""
        image = self._to_device(pixels)
        with exact_float32(self.device):
            logits = self._network(image)[0]
        core = logits[:, *core_of(tile, shape, self.geometry.halo)].float()
        result: NDArray[np.float32] = activated(core, activations).cpu().numpy()
        return result

    def _smaller_tiles(self, waiting: deque[Tile], shape: tuple[int, int]) -> deque[Tile]:
        """Halve the tile size until the next tile shrinks; return the remaining tiles."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        stride, smaller = self.geometry.stride, self.tile_size
        parts = [waiting[0]]
        while len(parts) == 1 and smaller > stride:
            smaller = round_up(smaller // 2, stride)
            parts = split_tile(waiting[0], shape, self.geometry, smaller)
        if len(parts) == 1:
            raise OutOfMemoryError(
                f"There is not enough memory on {_device_name(self.device)} to run this model, "
                "even on the smallest piece of the image. Close other programs and images"
                + ("." if self.device.type == "cpu" else ", or choose the device “cpu”.")
            )
        self.tile_size = smaller
        self.messages.append(
            f"Ran out of memory: went on with smaller tiles ({smaller} × {smaller} pixels). "
            "The result is the same; it only takes longer."
        )
        parts_of_tiles = (split_tile(tile, shape, self.geometry, smaller) for tile in waiting)
        return deque(part for parts in parts_of_tiles for part in parts)


def activated(logits: torch.Tensor, activations: Sequence[str]) -> torch.Tensor:
    """Return float32 logits (K, y, x) after the activation of each channel."""
    channels = [index for index, name in enumerate(activations) if name == "sigmoid"]
    if len(channels) == len(activations):
        return logits.sigmoid()
    if channels:
        logits = logits.clone()  # it may be the network's input
        logits[channels] = logits[channels].sigmoid()
    return logits


def default_tile_size(geometry: Geometry, device: torch.device, itemsize: int = 4) -> int:
    """Return the size in px of an inner tile's core that suits a network and a device.

    Large enough that no more than a fifth of the work again goes into the halo, but with
    activations within a quarter of the free memory (1 GiB at most on the CPU).

    Parameters
    ----------
    geometry
        The network's geometry.
    device
        Where it runs.
    itemsize
        Bytes of a number in its format. Default: 4.
    """
    # ((core + 2 halo) / core)² = 1.2 where core = 21 halo
    wanted = min(max(21 * geometry.halo, 256), 2048)
    budget = free_memory(device) // 4
    if device.type == "cpu":
        budget = min(budget, 2**30)
    # About four tensors of the largest size live at the same time.
    bytes_per_pixel = 4 * itemsize * geometry.values_per_pixel
    longest = int((budget / max(bytes_per_pixel, 1)) ** 0.5)
    core = min(wanted, longest - 2 * geometry.halo)
    return max(core // geometry.stride, 1) * geometry.stride


def _device_name(device: torch.device) -> str:
    return {"cuda": "the graphics card", "mps": "the graphics processor"}.get(
        device.type, "this computer"
    )
