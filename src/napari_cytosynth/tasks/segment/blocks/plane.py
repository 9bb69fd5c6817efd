"""One plane of an image that is read part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import PlaneReader

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LazyPlane"]


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
