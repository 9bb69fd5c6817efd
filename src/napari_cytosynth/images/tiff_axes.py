"""Axes of a TIFF, by the letters of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["named_axes"]

_UNKNOWN = "IQ"  # tifffile: pages in sequence, and axes without a name
_PLANES = "ZTPRVWABDEFGHJKLMNOU"


def named_axes(data: NDArray[Any], axes: str) -> tuple[NDArray[Any], str | None]:
    """Return an array with its axes: samples are colours, axes without a name count planes.

    Parameters
    ----------
    data
        The array as tifffile reads it.
    axes
        tifffile's letters: ``S`` samples of a pixel, ``I`` pages, ``Q`` unnamed.

    Returns
    -------
    ndarray, str or None
        None if all that is known is how many pages there are: they may be channels, too.
    """
    if len(axes) != data.ndim or axes.count("Y") != 1 or axes.count("X") != 1:
        return data, None
    if axes.index("Y") > axes.index("X"):
        return data, None
    if "C" in axes and "S" in axes:  # colours of several channels are channels
        data, axes = _merged(data, axes)
    letters = axes.replace("S", "C")
    if set(letters) <= {*_UNKNOWN, "Y", "X"} and letters != "YX":
        return data, None
    spare = [letter for letter in _PLANES if letter not in letters]
    result = ""
    for letter in letters:
        result += spare.pop(0) if letter in _UNKNOWN or letter in result else letter
    return data, result


def _merged(data: NDArray[Any], axes: str) -> tuple[NDArray[Any], str]:
    """Put the samples behind their channels, and make one axis of both."""
    rest = axes.replace("S", "")
    channel = rest.index("C")
    data = np.moveaxis(data, axes.index("S"), channel + 1)
    shape = list(data.shape)
    shape[channel : channel + 2] = [shape[channel] * shape[channel + 1]]
    return data.reshape(shape), rest
