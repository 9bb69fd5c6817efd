"""Arrays that a run of a segmentation model writes into."""

from __future__ import annotations

import math
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

__all__ = ["ChannelSplit", "check_output", "temporary_array"]


def check_output(out: Any, shape: tuple[int, ...], image: Any) -> None:
    """Raise InputError unless the result can be written into an array of the user's."""
    try:
        fits = tuple(out.shape) == shape and np.dtype(out.dtype) == np.float32
    except (AttributeError, TypeError):
        fits = False
    if not fits or not hasattr(out, "__setitem__"):
        described = f"{getattr(out, 'dtype', type(out).__name__)} of {getattr(out, 'shape', '?')}"
        raise InputError(
            f"The output array (out) must be float32 of shape {shape}, not {described}."
        )
    flags = getattr(out, "flags", None)
    if flags is not None and not getattr(flags, "writeable", True):
        raise InputError("The output array (out) is read-only: give one that can be written to.")
    if all(isinstance(array, np.ndarray) for array in (out, image)) and np.may_share_memory(
        out, image
    ):
        raise InputError("The output array (out) must not be the image itself: give a new array.")


def temporary_array(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return zeros of float32 that lie in a temporary file, which goes when they do.

    Parameters
    ----------
    shape
        Of the array.

    Raises
    ------
    OutputError
        If the disk has no room for it.
    """
    size = 4 * math.prod(shape)
    try:
        with tempfile.TemporaryFile(prefix="cytosynth-") as file:  # the array keeps it, too
            if hasattr(os, "posix_fallocate"):  # a disk that fills up later ends the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"The flows of this image need {size / 1e9:.1f} GB in the folder for temporary files, "
            f"“{tempfile.gettempdir()}”: {error.strerror}. Free some space, set TMPDIR to a folder "
            "on another disk, or crop the image."
        ) from error


class ChannelSplit:
    """Output (K, Y, X) for the predictor that writes the channels in use to their arrays.

    Each array comes with the place of the plane in it.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        arrays: dict[int, tuple[Any, tuple[int | slice, ...]]],
        shape: tuple[int, ...],
        check: Callable[[npt.NDArray[np.floating]], None],
    ) -> None:
        self._arrays, self.shape, self._check = arrays, shape, check

    def clear(self) -> None:
        """Set the channels in use to 0."""
        for array, where in self._arrays.values():
            array[where] = 0

    def __setitem__(self, key: tuple[slice, slice, slice], value: npt.NDArray[np.float32]) -> None:
        self._check(value)
        for channel, (array, where) in self._arrays.items():
            spatial = iter(key[1:])
            place = tuple(next(spatial) if isinstance(k, slice) else k for k in where)
            array[place] = value[channel]
