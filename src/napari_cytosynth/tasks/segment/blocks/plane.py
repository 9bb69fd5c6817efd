"""One plane of an image that is read part by part, and a window of it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import PlaneReader

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LazyPlane", "WindowArray"]


@dataclass(frozen=True, eq=False)
class LazyPlane:
    """The only plane of an image, as an array (C, Y, X) whose parts are read when sliced.

    Attributes
    ----------
    reader
        Of the image, which has a single plane.
    """

    reader: PlaneReader

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, Y, X)."""
        reader = self.reader
        if reader.channels is not None:
            count = len(reader.channels)
        else:
            count = int(reader.data.shape[reader.axes.index("C")]) if "C" in reader.axes else 1
        return count, *reader.plane_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        found: np.dtype[Any] = np.dtype(self.reader.data.dtype)
        return found

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return a part (C, y, x)."""
        channels, rows, columns = (*key, *(slice(None),) * (3 - len(key)))
        where = {"Y": rows, "X": columns}
        places = tuple(where.get(axis, slice(None)) for axis in self.reader.axes)
        part = PlaneReader(_Cut(self.reader.data, places), self.reader.axes, self.reader.channels)
        return part.read((0,) * len(self.reader.leading_axes))[channels]

    def channel(self, number: int) -> _LazyChannel:
        """Return one channel as an array (Y, X) of the same kind."""
        return _LazyChannel(self, number)


@dataclass(frozen=True, eq=False)
class _Cut:
    """An array of which only a part along Y and X is read."""

    data: Any
    places: tuple[slice, ...]

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        pairs = zip(key, self.places, strict=True)
        return self.data[tuple(one if isinstance(one, int) else place for one, place in pairs)]


@dataclass(frozen=True, eq=False)
class _LazyChannel:
    plane: LazyPlane
    number: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.plane.shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.plane.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        part: npt.NDArray[Any] = self.plane[(slice(self.number, self.number + 1), *key)][0]
        return part


@dataclass(frozen=True, eq=False)
class WindowArray:
    """An array as large as a plane, of which only a window is there; axes before Y, X are whole.

    Attributes
    ----------
    shape
        Of the whole, (…, Y, X).
    data
        Values in the window, (…, y, x).
    origin
        First row and first column of the window.
    """

    shape: tuple[int, ...]
    data: npt.NDArray[Any]
    origin: tuple[int, int]

    @classmethod
    def zeros(cls, shape: tuple[int, ...], window: tuple[slice, slice]) -> WindowArray:
        """Return zeros of float32."""
        rows, columns = window
        sides = (rows.stop - rows.start, columns.stop - columns.start)
        data = np.zeros((*shape[:-2], *sides), np.float32)
        return cls(shape, data, (rows.start, columns.start))

    @classmethod
    def read(cls, array: Any, window: tuple[slice, slice]) -> WindowArray:
        """Return an array (C, Y, X) of which a window is read once."""
        rows, columns = window
        data = np.asarray(array[:, rows, columns])
        return cls(tuple(array.shape), data, (rows.start, columns.start))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.data.dtype

    def _inside(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        places = [
            slice(one.start - first, one.stop - first)
            for one, first in zip(key[-2:], self.origin, strict=True)
        ]
        sides = self.data.shape[-2:]
        if any(p.start < 0 or p.stop > side for p, side in zip(places, sides, strict=True)):
            raise IndexError(f"{key[-2:]} lies outside the window at {self.origin}, {sides}")
        return (*key[:-2], *places)

    def __getitem__(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        part: npt.NDArray[Any] = self.data[self._inside(key)]
        return part

    def __setitem__(self, key: tuple[Any, ...], value: npt.NDArray[Any]) -> None:
        self.data[self._inside(key)] = value
