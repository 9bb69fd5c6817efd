"""Statistics of the intensities in objects: min, max, mean, std, median, sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]
    Statistics = dict[str, npt.NDArray[Any]]

__all__ = ["STATISTICS", "StackIntensities", "intensity_column", "summarise"]

STATISTICS = ("min", "max", "mean", "std", "median", "sum")
_BUFFER = 2**24  # values of objects that may go on in further planes; then the others are done
_LOW = np.uint64(2**32 - 1)
_SIGN = np.uint32(2**31)


def intensity_column(statistic: str, channel: str) -> str:
    """Return the name of a column; of the only channel, whose name is empty, without one."""
    return f"{statistic}_{channel}_intensity" if channel else f"{statistic}_intensity"


def summarise(region: Whole, values: npt.NDArray[Any], count: int) -> Statistics:
    """Return the statistics of each region.

    Parameters
    ----------
    region
        (N,) number of the region of each pixel, from 0; each has at least one.
    values
        (N,) intensities.
    count
        Number of regions.

    Returns
    -------
    dict
        By :data:`STATISTICS`. ``min`` and ``max`` have the image's own type; ``std`` is that of
        all pixels, not of a sample. A region with a NaN has NaN in all of them.
    """
    area = np.bincount(region, minlength=count)
    floats = values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.bincount(region, floats, minlength=count)
        mean = total / area
        floats -= mean[region]
        floats *= floats
        std = np.sqrt(np.bincount(region, floats, minlength=count) / area)
    del floats
    ends = np.cumsum(area)
    ordered = _ordered(region, values)
    low, high = ordered[ends - area], ordered[ends - 1]
    middle = ordered[np.stack([ends - area + (area - 1) // 2, ends - area + area // 2])]
    with np.errstate(invalid="ignore"):
        median = middle.astype(np.float64).mean(axis=0)
    if values.dtype.kind == "f":  # NaN are sorted behind all others
        missing = np.isnan(high)
        low[missing], median[missing] = np.nan, np.nan
    found = (low, high, mean, std, median, total)
    return dict(zip(STATISTICS, found, strict=True))


def _ordered(region: Whole, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values sorted within each region, the regions one behind the other."""
    if values.dtype.itemsize > 4:
        return values[np.lexsort((values, region))]
    # one sort of whole numbers is ten times faster than two of pairs
    keys = (region.astype(np.uint64) << np.uint64(32)) | _as_rank(values)
    keys.sort()
    return _from_rank((keys & _LOW).astype(np.uint32), values.dtype)


def _as_rank(values: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Return whole numbers of 32 bits that are in the same order as the values."""
    kind = values.dtype.kind
    if kind in "bu":
        return values.astype(np.uint32)
    if kind == "i":
        return values.astype(np.int32).view(np.uint32) ^ _SIGN
    bits = np.where(np.isnan(values), np.float32(np.nan), values.astype(np.float32))
    bits = bits.view(np.uint32)
    ranks: npt.NDArray[np.uint32] = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return ranks


def _from_rank(ranks: npt.NDArray[np.uint32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind in "bu":
        return ranks.astype(dtype)
    if dtype.kind == "i":
        return (ranks ^ _SIGN).view(np.int32).astype(dtype)
    return np.where(ranks & _SIGN, ranks ^ _SIGN, ~ranks).view(np.float32).astype(dtype)


class StackIntensities:
    """Statistics of the objects of a run of planes in one channel.

    Medians need all values of an object: those of objects that go on in further planes are kept,
    and no others for long.

    Parameters
    ----------
    last
        Number of the last plane that each object is in.
    buffer
        How many values may wait before objects that have ended are summed up. Default: 2**24.
    """

    def __init__(self, last: Whole, buffer: int = _BUFFER) -> None:
        self._last = last
        self._buffer = self._limit = buffer
        self._waiting: list[tuple[Whole, npt.NDArray[Any]]] = []
        self._size = 0
        self._found: Statistics = {}

    def add(self, z: int, region: Whole, values: npt.NDArray[Any]) -> None:
        """Add the values of plane `z`, each with the number of its object."""
        self._waiting.append((region, values))
        self._size += len(values)
        if self._size > self._limit:
            self._sum_up(z)
            self._limit = self._size + self._buffer

    def statistics(self) -> Statistics:
        """Return those of all objects, when all planes were added."""
        self._sum_up(int(self._last.max(initial=0)))
        return self._found or {name: np.zeros(0) for name in STATISTICS}

    def _sum_up(self, z: int) -> None:
        """Sum up the objects that end at plane `z` or before."""
        if not self._waiting:
            return
        region = np.concatenate([part for part, _ in self._waiting])
        values = np.concatenate([part for _, part in self._waiting])
        ended = self._last[region] <= z
        self._waiting = [(region[~ended], values[~ended])]
        self._size = len(self._waiting[0][0])
        numbers, place = np.unique(region[ended], return_inverse=True)
        for name, column in summarise(place, values[ended], len(numbers)).items():
            if name not in self._found:
                self._found[name] = np.zeros(len(self._last), column.dtype)
            self._found[name][numbers] = column
