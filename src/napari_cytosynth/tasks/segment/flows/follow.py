"""The walk of every pixel along the flows, to where its object gathers."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .owners import owners_of_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Places = npt.NDArray[np.int32]
    Box = tuple[slice, slice]

__all__ = ["BLOCK", "find_ends", "find_owners", "follow", "walk_length"]

_FINE_ROUNDS = 4  # 2⁴ steps to a fraction of a pixel: from there, ends differ by less than a sink
_DIAMETERS = 4  # of a typical object that a walk is long
_CHUNK = 1 << 16  # px whose steps are doubled at once, so that they stay in the cache
_MARGIN = 2**_FINE_ROUNDS + 2
BLOCK = 2048  # px; larger planes are followed block by block


def walk_length(diameter: float) -> int:
    """Return the steps of a walk (a power of two) for objects of a typical diameter in px.

    Four diameters at least: objects longer than typical, and bent ones, are to be crossed too.
    """
    return int(2 ** math.ceil(math.log2(max(_DIAMETERS * diameter, 64))))


def find_owners(
    flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], steps: float
) -> Places:
    """Return the object of every pixel of a mask.

    Parameters
    ----------
    flows
        (2, Y, X), components along Y and X; the directions count.
    mask
        (Y, X), the pixels that are followed.
    steps
        Length of the walk in px, at least.

    Returns
    -------
    ndarray
        (Y, X) int32: 0 outside the mask and where no object is near, else 1, 2, … in the order
        of their first pixels.
    """
    ends = find_ends(flows, mask, steps)
    return owners_of_ends(ends, flows, mask, steps / _DIAMETERS)


def find_ends(
    flows: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_],
    steps: float,
    block: int = BLOCK,
) -> Places:
    """Return where the pixels of a plane arrive.

    Parameters
    ----------
    flows, mask, steps
        As of :func:`find_owners`.
    block
        Larger planes are followed in blocks of this many px, each with as much around it as a
        walk can reach: the result is the same. Default: 2048.

    Returns
    -------
    ndarray
        (Y, X) int32, flat index of a pixel of the mask; -1 outside the mask.
    """
    ends = np.full(mask.shape, -1, np.int32)
    for inner, outer in _blocks(mask.shape, block, _reach(steps)):
        part = mask[outer]
        y, x = (np.arange(one.start, one.stop, dtype=np.int32) for one in outer)
        pixels = (y[:, None] * np.int32(mask.shape[1]) + x)[part]
        found = np.full(part.shape, -1, np.int32)
        found[part] = pixels[follow(flows[:, outer[0], outer[1]], part, steps)]
        within = tuple(
            slice(one.start - other.start, one.stop - other.start)
            for one, other in zip(inner, outer, strict=True)
        )
        ends[inner] = found[within]
    return ends


def _blocks(shape: tuple[int, ...], block: int, halo: int) -> Iterator[tuple[Box, Box]]:
    """Yield the blocks of a plane, and each with its halo."""
    if max(shape) <= block + halo:
        block = max(*shape, 1)
    for y in range(0, shape[0], block):
        for x in range(0, shape[1], block):
            corner = zip((y, x), shape, strict=True)
            inner = tuple(slice(at, min(at + block, size)) for at, size in corner)
            outer = tuple(
                slice(max(one.start - halo, 0), min(one.stop + halo, size))
                for one, size in zip(inner, shape, strict=True)
            )
            yield inner, outer  # type: ignore[misc]


def _reach(steps: float) -> int:
    """Return how far from a pixel its walk can depend on flows, in px."""
    hop = 2**_FINE_ROUNDS
    return int((2 ** _rounds(steps) // hop + 1) * (hop + 1))


def _rounds(steps: float) -> int:
    return max(1, math.ceil(math.log2(max(steps, 2))))


def follow(flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], steps: float) -> Places:
    """Return where each pixel of a mask arrives.

    A walk of 2n steps is one of n steps from where one of n steps leads to: doubling needs as
    many rounds as the number of steps has binary digits. The first rounds keep fractions of a
    pixel. A step that would leave the mask is not made.

    Parameters
    ----------
    flows, mask, steps
        As of :func:`find_owners`.

    Returns
    -------
    ndarray
        (N,) int32: for each of the N pixels of the mask, in raster order, which of these it
        reaches.
    """
    rounds = _rounds(steps)
    ends = _first_steps(flows, mask, min(rounds, _FINE_ROUNDS))
    for _ in range(rounds - _FINE_ROUNDS):
        ends = ends[ends]
    return ends


def _first_steps(
    flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], rounds: int
) -> Places:
    """Return the pixels (by their number in raster order) after 2 ** rounds steps."""
    walk = _Walk(flows, mask)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            walk.double(pool)
    return walk.ends


class _Walk:
    """The first steps of all pixels of a mask, with the fractions of pixels that they are long.

    Attributes
    ----------
    ends
        (N,) int32: which of the pixels, in raster order, each has reached.
    """

    def __init__(self, flows: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> None:
        # the margin makes each pixel within reach a valid one
        self._width = mask.shape[1] + 2 * _MARGIN
        y, x = (np.arange(_MARGIN, size + _MARGIN, dtype=np.int32) for size in mask.shape)
        self._home = (y[:, None] * np.int32(self._width) + x)[mask]
        count = len(self._home)
        self._index = np.full((mask.shape[0] + 2 * _MARGIN) * self._width, -1, np.int32)
        self._index[self._home] = np.arange(count, dtype=np.int32)
        # Y and X as the parts of one number: they are looked up together
        self._step = np.empty(count, np.complex64)
        self._step.real, self._step.imag = flows[0][mask], flows[1][mask]
        self._step /= np.maximum(np.hypot(self._step.real, self._step.imag), np.float32(1e-6))
        self.ends: Places = self._index[self._home + self._offset(self._step)]
        outside = np.flatnonzero(self.ends < 0)
        self._step[outside], self.ends[outside] = 0, outside

    def double(self, pool: ThreadPoolExecutor) -> None:
        """Make the walks twice as long."""
        further, reached = np.empty_like(self._step), np.empty_like(self.ends)

        def work(start: int) -> None:
            part = slice(start, start + _CHUNK)
            further[part], reached[part] = self._doubled(part)

        list(pool.map(work, range(0, len(reached), _CHUNK)))
        self._step, self.ends = further, reached

    def _doubled(self, part: slice) -> tuple[npt.NDArray[np.complex64], Places]:
        half = self.ends[part]
        further = self._step[part] + self._step[half]
        reached: Places = self._index[self._home[part] + self._offset(further)]
        outside = np.flatnonzero(reached < 0)  # only by the fraction that the first half left
        via = half[outside]
        further[outside] = self._place(via) - self._place(outside + part.start) + self._step[via]
        reached[outside] = self.ends[via]
        return further, reached

    def _place(self, number: npt.NDArray[np.integer]) -> npt.NDArray[np.complex64]:
        y, x = np.divmod(self._home[number], self._width)
        place: npt.NDArray[np.complex64] = (y + 1j * x).astype(np.complex64)
        return place

    def _offset(self, step: npt.NDArray[np.complex64]) -> Places:
        """Return the change of the flat index; it does not depend on where the pixel lies."""
        offset: Places = np.rint(step.real).astype(np.int32)
        offset *= self._width
        offset += np.rint(step.imag).astype(np.int32)
        return offset
