"""Prediction window by window, for networks whose output depends on all of the image given.

The style of Cellpose's network is a mean over the image: without seams it runs on no tiles. As in
Cellpose, a plane is cut into overlapping windows of the size of its training images, and what
these give is averaged, with weights that fall off towards the sides of a window. Where the windows
lie depends on nothing but the shape of the plane.

References
----------
Stringer et al. 2021, Nature Methods 18, and the parameters of Cellpose 3: windows of 224 px that
overlap by a tenth at least, sigmoid weights.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_cytosynth.errors import OutOfMemoryError

from .device import exact_float32, unless_out_of_memory
from .geometry import round_up, whole_plane_geometry
from .predictor import Predictor, activated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.progress import Progress

    from .geometry import Geometry

    Transform = Callable[[NDArray[Any]], NDArray[np.float32]]

__all__ = ["WindowedPredictor", "kept_predictors", "make_predictor"]

_BORDER, _MULTIPLE = 8, 16  # px of zeros around a plane, and what its sides are padded to
_OVERLAP = 0.1
_FALL, _SHOULDER = 7.5, 20.0  # px: width of the sigmoid, and how far it lies inside
_ALL = 2**30  # px: the whole plane matters to each pixel
_AT_ONCE = 8  # windows on a graphics card
_kept: ContextVar[dict[Any, Predictor] | None] = ContextVar("_kept", default=None)


@contextmanager
def kept_predictors(kept: dict[Any, Predictor]) -> Iterator[None]:
    """Let :func:`make_predictor` return what it made before, for the same network and options.

    To fold and check a network takes longer than to run it on a small plane.

    Parameters
    ----------
    kept
        What was made; it grows. The weights of the networks in it must not change.
    """
    before = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(before)


def make_predictor(network: nn.Module, in_channels: int, **options: Any) -> Predictor:
    """Return what runs a network: on seamless tiles, or on windows if it has a ``window``.

    Parameters
    ----------
    network, in_channels, options
        As :class:`~napari_cytosynth.inference.predictor.Predictor` takes them.
    """
    kept, key = _kept.get(), (network, in_channels, *sorted(options.items()))
    if kept is not None and key in kept:
        return kept[key]
    windowed = getattr(network, "window", None) is not None
    made = (WindowedPredictor if windowed else Predictor)(network, in_channels, **options)
    if kept is not None:
        kept[key] = made
    return made


@dataclass(frozen=True, eq=False)
class _Axis:
    """The windows along one axis of a plane.

    Attributes
    ----------
    size
        Of the plane, in px.
    low
        Zeros before its first pixel.
    side
        Of a window.
    starts
        Of the windows, in px of the padded plane.
    """

    size: int
    low: int
    side: int
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, size: int, window: int, border: int = _BORDER, multiple: int = _MULTIPLE) -> _Axis:
        padded = round_up(size, multiple) + 2 * border
        low = border + (padded - 2 * border - size) // 2
        side = min(window, padded)
        count = 1 if padded <= window else int(np.ceil((1.0 + 2 * _OVERLAP) * padded / window))
        return cls(size, low, side, np.linspace(0, padded - side, count).astype(np.intp))

    def cell(self, number: int) -> slice:
        """Return the pixels of the plane from a window's start to that of the next."""
        start = 0 if number == 0 else int(self.starts[number]) - self.low
        last = number + 1 == len(self.starts)
        stop = self.size if last else int(self.starts[number + 1]) - self.low
        return slice(max(start, 0), min(max(stop, 0), self.size))

    def seen_by(self, number: int) -> range:
        """Return the cells that a window has a part in."""
        end = int(np.searchsorted(self.starts, self.starts[number] + self.side))
        return range(number, end)

    def pixels(self, number: int) -> tuple[slice, tuple[int, int]]:
        """Return the pixels of the plane in a window, and the zeros before and after them."""
        start = int(self.starts[number]) - self.low
        inside = slice(max(start, 0), min(start + self.side, self.size))
        return inside, (inside.start - start, start + self.side - inside.stop)

    def weights(self, window: int) -> list[NDArray[np.float32]]:
        """Return the weight of each pixel of each window; those of a pixel sum to 1."""
        away = np.abs(np.arange(window) - (window - 1) / 2)
        fall = 1 / (1 + np.exp((away - (window / 2 - _SHOULDER)) / _FALL))
        first = window // 2 - self.side // 2
        fall = fall[first : first + self.side]
        total = np.zeros(int(self.starts[-1]) + self.side)
        places = [slice(int(start), int(start) + self.side) for start in self.starts]
        for place in places:
            total[place] += fall
        return [(fall / total[place]).astype(np.float32) for place in places]


class WindowedPredictor(Predictor):
    """Runs a network on overlapping windows of a plane, and averages what they give.

    A part of a plane gives what it does in the whole; a plane that was cropped before does not,
    for its windows lie elsewhere. Memory does not depend on the height of the plane. The
    parameters are those of :class:`~napari_cytosynth.inference.predictor.Predictor`, but that
    the size of a window is the network's, whatever `tile_size`.
    """

    def __init__(self, network: nn.Module, in_channels: int, **options: Any) -> None:
        super().__init__(network, in_channels, **options)
        stride = self.geometry.stride
        self.tile_size = max(int(network.window) // stride, 1) * stride  # type: ignore[arg-type]
        border = int(getattr(network, "window_border", _BORDER))
        self._around = border, _MULTIPLE if border else stride
        self._at_once = 1 if self.device.type == "cpu" else _AT_ONCE

    def _measure(self, network: nn.Module, in_channels: int) -> Geometry:
        found = whole_plane_geometry(network, in_channels)
        return replace(found, radius=_ALL, halo=_ALL)

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
        height, width = (int(size) for size in plane.shape[1:])
        side = self.tile_size
        axes = (_Axis.of(height, side, *self._around), _Axis.of(width, side, *self._around))
        cells = _wanted_cells(axes, part, wanted)
        windows = _windows(axes, cells)
        run = _WindowSums(self, plane, transform, axes, windows)
        done, total = 0, sum(map(len, windows))
        report(done, total, "Running the model")
        for row, columns in enumerate(windows):
            while columns:
                added = run.add(row, columns[: self._at_once])
                columns = columns[added:]
                done += added
                report(done, total, f"Tile {done} of {total}")
            for column in cells[row]:
                self._write(run, (row, column), out, activations, part)
            run.next_row()

    def _write(
        self,
        run: _WindowSums,
        cell: tuple[int, int],
        out: Any,
        activations: Sequence[str],
        part: tuple[slice, slice] | None,
    ) -> None:
        rows, columns = (axis.cell(number) for axis, number in zip(run.axes, cell, strict=True))
        rows, columns = _common(rows, part and part[0]), _common(columns, part and part[1])
        sums = torch.from_numpy(run.sums(rows, columns))
        out[:, rows, columns] = activated(sums, activations).numpy()

    @torch.inference_mode()
    def run_windows(self, pixels: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
        """Return (N, K, y, x) of N windows (C, y, x); None if memory runs out."""

        def run() -> NDArray[np.float32]:
            images = torch.cat([self._to_device(image) for image in pixels])
            with exact_float32(self.device):
                found: NDArray[np.float32] = self._network(images).float().cpu().numpy()
            return found

        found = unless_out_of_memory(run)
        if found is None:
            self._shrink()
        return found

    def _shrink(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._at_once == 1:
            raise OutOfMemoryError(
                "There is not enough memory to run this model, even on one window of "
                f"{self.tile_size} pixels. Close other programs and images"
                + ("." if self.device.type == "cpu" else ", or choose the device “cpu”.")
            )
        self._at_once //= 2


class _WindowSums:
    """Weighted sums of the windows of a plane, of one row of windows at a time."""

    def __init__(
        self,
        predictor: WindowedPredictor,
        plane: Any,
        transform: Transform,
        axes: tuple[_Axis, _Axis],
        windows: list[list[int]],
    ) -> None:
        self.axes = axes
        self._predictor, self._plane, self._transform = predictor, plane, transform
        self._weights = [axis.weights(predictor.tile_size) for axis in axes]
        self._row = 0
        columns = sorted(set().union(*windows)) or [0]  # a part of a plane needs few of them
        first, last = (int(axes[1].starts[column]) for column in (columns[0], columns[-1]))
        shape = (predictor.geometry.out_channels, axes[0].side, last + axes[1].side - first)
        self._left, self._sums = first, np.zeros(shape, np.float32)

    def add(self, row: int, columns: list[int]) -> int:
        """Run windows of the current row; return their number, or 0 if memory ran out."""
        found = self._predictor.run_windows([self._read((row, column)) for column in columns])
        if found is None:
            return 0
        for column, output in zip(columns, found, strict=True):
            start = int(self.axes[1].starts[column]) - self._left
            weights = self._weights[0][row][:, None] * self._weights[1][column]
            self._sums[:, :, start : start + self.axes[1].side] += output * weights
        return len(columns)

    def _read(self, place: tuple[int, int]) -> NDArray[np.float32]:
        """Return the scaled pixels (C, y, x) of a window, zeros around the plane."""
        (rows, above), (columns, beside) = map(_Axis.pixels, self.axes, place)
        pixels = self._transform(np.asarray(self._plane[:, rows, columns]))
        self._predictor.check_channels(pixels)
        return np.pad(pixels, ((0, 0), above, beside))

    def sums(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return the finished sums of pixels of the plane in the current row of windows."""
        down = self.axes[0].low - int(self.axes[0].starts[self._row])
        right = self.axes[1].low - self._left
        high = slice(rows.start + down, rows.stop + down)
        wide = slice(columns.start + right, columns.stop + right)
        return np.ascontiguousarray(self._sums[:, high, wide])

    def next_row(self) -> None:
        """Go on to the next row of windows, with what they share with this one."""
        starts, side = self.axes[0].starts, self.axes[0].side
        if self._row + 1 < len(starts):
            step = int(starts[self._row + 1] - starts[self._row])
            self._sums[:, : side - step] = self._sums[:, step:].copy()
            self._sums[:, side - step :] = 0
        self._row += 1


def _wanted_cells(
    axes: tuple[_Axis, _Axis],
    part: tuple[slice, slice] | None,
    wanted: Callable[[slice, slice], bool] | None,
) -> list[list[int]]:
    """Return the columns of the cells that are to be written, for each row of cells."""
    found: list[list[int]] = []
    for row in range(len(axes[0].starts)):
        found.append([])
        rows = _common(axes[0].cell(row), part and part[0])
        for column in range(len(axes[1].starts)) if rows.start < rows.stop else ():
            columns = _common(axes[1].cell(column), part and part[1])
            there = columns.start < columns.stop
            if there and (wanted is None or wanted(rows, columns)):
                found[-1].append(column)
    return found


def _windows(axes: tuple[_Axis, _Axis], cells: list[list[int]]) -> list[list[int]]:
    """Return the columns of the windows that have a part in any of the cells, for each row."""
    seen = [set(axes[1].seen_by(column)) for column in range(len(axes[1].starts))]
    found = []
    for row in range(len(cells)):
        needed = set().union(*(cells[other] for other in axes[0].seen_by(row)))
        found.append([column for column, own in enumerate(seen) if own & needed])
    return found


def _common(one: slice, other: slice | None) -> slice:
    """Return what two slices share: maybe nothing, all of the first without another."""
    if other is None:
        return one
    return slice(max(one.start, other.start), min(one.stop, other.stop))
